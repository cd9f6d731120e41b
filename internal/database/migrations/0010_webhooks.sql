-- What relying parties are told of their transactions. A row is made with the
-- transaction, so that none is forgotten, and deleted when it was delivered.
CREATE TABLE webhook_messages (
    tenant         TEXT   NOT NULL,
    id             TEXT   NOT NULL, -- the jti of the message, the same in every attempt
    party          TEXT   NOT NULL,
    transaction_id TEXT   NOT NULL,
    state          TEXT   NOT NULL, -- '' while the transaction waits
    told_at        BIGINT NOT NULL, -- when the state was known
    attempts       BIGINT NOT NULL,
    due_at         BIGINT NOT NULL, -- when to look at it next; ahead while a process sends it
    PRIMARY KEY (tenant, id)
);
CREATE INDEX webhook_messages_due ON webhook_messages (tenant, party, due_at);
CREATE INDEX webhook_messages_open ON webhook_messages (tenant, due_at) WHERE state = '';

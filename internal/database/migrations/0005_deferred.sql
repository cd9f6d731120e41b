-- Credentials that a wallet has proven keys for and gets later, or never. What
-- is known of the person is not here: the access token has it.
CREATE TABLE deferred_credentials (
    tenant     TEXT   NOT NULL,
    id         TEXT   NOT NULL, -- keyed hash of a part of the transaction_id
    grant_id   TEXT   NOT NULL, -- the root of its line
    config_id  TEXT   NOT NULL,
    count      BIGINT NOT NULL,
    state      TEXT   NOT NULL, -- pending, approved, denied or issued
    sealed     BYTEA  NOT NULL, -- the keys; the rest of the transaction_id opens it
    created_at BIGINT NOT NULL,
    decided_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, grant_id) REFERENCES grants (tenant, id)
);
CREATE INDEX deferred_credentials_grant ON deferred_credentials (tenant, grant_id);
CREATE INDEX deferred_credentials_pending ON deferred_credentials (tenant, created_at) WHERE state = 'pending';

-- The status lists of wallet providers that the issuer looks at again.
CREATE TABLE attestation_lists (
    tenant        TEXT   NOT NULL,
    id            TEXT   NOT NULL, -- pseudonym of the URI
    sealed_uri    BYTEA  NOT NULL,
    checked_at    BIGINT NOT NULL, -- when all attestations on it were last looked up
    next_check_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX attestation_lists_due ON attestation_lists (tenant, next_check_at);

-- Attestations that credentials were issued on, and fall with. URI and index
-- of a status would tell which credentials one wallet instance has.
CREATE TABLE accepted_attestations (
    tenant       TEXT   NOT NULL,
    pseudonym    TEXT   NOT NULL, -- of URI and index
    list_id      TEXT   NOT NULL,
    reason       TEXT   NOT NULL, -- for which credentials fall with it
    sealed_index BYTEA  NOT NULL,
    created_at   BIGINT NOT NULL,
    revoked_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant, pseudonym),
    FOREIGN KEY (tenant, list_id) REFERENCES attestation_lists (tenant, id)
);
CREATE INDEX accepted_attestations_list ON accepted_attestations (tenant, list_id, pseudonym);
CREATE INDEX accepted_attestations_revoked ON accepted_attestations (tenant, revoked_at, pseudonym) WHERE revoked_at > 0;

-- Which credentials rest on them: those that were issued at once. A row goes
-- when its credentials have fallen or ended.
CREATE TABLE attested_batches (
    tenant    TEXT   NOT NULL,
    pseudonym TEXT   NOT NULL,
    batch_id  TEXT   NOT NULL,
    ends_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant, pseudonym, batch_id),
    FOREIGN KEY (tenant, pseudonym) REFERENCES accepted_attestations (tenant, pseudonym)
);
CREATE INDEX attested_batches_end ON attested_batches (tenant, ends_at);

-- What was issued at once on attestations; '' for what rests on none.
ALTER TABLE issued_credentials ADD COLUMN batch_id TEXT NOT NULL DEFAULT '';
CREATE INDEX issued_credentials_batch ON issued_credentials (tenant, batch_id) WHERE batch_id <> '';

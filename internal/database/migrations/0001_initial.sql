-- Portable text: SQLite and PostgreSQL run it unchanged. Times are BIGINT
-- seconds since the Unix epoch; 0 in a column named *_at means "has not happened".

-- A status list. Indexes up to capacity are handed out in permuted order; the
-- rest of the entries are decoys. next never goes back.
CREATE TABLE status_lists (
    tenant       TEXT   NOT NULL,
    id           TEXT   NOT NULL,
    owner        TEXT   NOT NULL, -- which role publishes it
    kind         TEXT   NOT NULL, -- type and format, as the role spells them
    key_id       TEXT   NOT NULL, -- names the key that permutes the indexes
    size         BIGINT NOT NULL,
    capacity     BIGINT NOT NULL,
    next         BIGINT NOT NULL,
    accepting    BIGINT NOT NULL, -- 1 while indexes are handed out
    version      BIGINT NOT NULL, -- counts revocations
    created_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX status_lists_accepting ON status_lists (tenant, owner, kind) WHERE accepting = 1;

-- One row per index handed out; the bits of a list are read from here.
CREATE TABLE status_entries (
    tenant     TEXT   NOT NULL,
    list_id    TEXT   NOT NULL,
    idx        BIGINT NOT NULL,
    invalid_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, list_id, idx),
    FOREIGN KEY (tenant, list_id) REFERENCES status_lists (tenant, id)
);
CREATE INDEX status_entries_invalid ON status_entries (tenant, list_id, idx) WHERE invalid_at > 0;

-- The token that is published for a list now. sequence never goes back.
CREATE TABLE status_publications (
    tenant     TEXT   NOT NULL,
    list_id    TEXT   NOT NULL,
    sequence   BIGINT NOT NULL,
    version    BIGINT NOT NULL, -- of the list, when its bits were read
    issued_at  BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    token      TEXT   NOT NULL,
    PRIMARY KEY (tenant, list_id),
    FOREIGN KEY (tenant, list_id) REFERENCES status_lists (tenant, id)
);

-- What the issuer keeps of a certificate: a pseudonym under its own key, and
-- sealed to the job that asks about revocation again, serial and CRL partition,
-- which would tell the holder's municipality.
CREATE TABLE evidence (
    tenant        TEXT   NOT NULL,
    pseudonym     TEXT   NOT NULL,
    kind          TEXT   NOT NULL,
    issuer_key_id TEXT   NOT NULL,
    sealed_handle BYTEA  NOT NULL,
    revoked_at    BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    checked_at    BIGINT NOT NULL,
    next_check_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, pseudonym)
);
CREATE INDEX evidence_due ON evidence (tenant, next_check_at) WHERE revoked_at = 0;

-- A grant exists from the moment a token is issued. A grant made by refreshing
-- another one names the first of its line as root.
CREATE TABLE grants (
    tenant             TEXT   NOT NULL,
    id                 TEXT   NOT NULL,
    root_id            TEXT   NOT NULL,
    evidence_kind      TEXT   NOT NULL,
    evidence_pseudonym TEXT   NOT NULL, -- empty for back-office evidence
    created_at         BIGINT NOT NULL,
    expires_at         BIGINT NOT NULL,
    used_at            BIGINT NOT NULL,
    revoked_at         BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX grants_root ON grants (tenant, root_id);
CREATE INDEX grants_evidence ON grants (tenant, evidence_pseudonym);

-- How many credentials of a configuration come out of a grant.
CREATE TABLE grant_limits (
    tenant          TEXT   NOT NULL,
    grant_id        TEXT   NOT NULL,
    config_id       TEXT   NOT NULL,
    max_credentials BIGINT NOT NULL,
    issued_count    BIGINT NOT NULL,
    PRIMARY KEY (tenant, grant_id, config_id),
    FOREIGN KEY (tenant, grant_id) REFERENCES grants (tenant, id),
    CHECK (issued_count <= max_credentials)
);

CREATE TABLE issued_credentials (
    tenant             TEXT   NOT NULL,
    id                 TEXT   NOT NULL,
    grant_id           TEXT   NOT NULL,
    config_id          TEXT   NOT NULL,
    type               TEXT   NOT NULL,
    format             TEXT   NOT NULL,
    list_id            TEXT   NOT NULL,
    idx                BIGINT NOT NULL,
    evidence_pseudonym TEXT   NOT NULL,
    issued_at          BIGINT NOT NULL,
    valid_until        BIGINT NOT NULL,
    revoked_at         BIGINT NOT NULL,
    revoke_reason      TEXT   NOT NULL, -- never leaves the issuer
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, list_id, idx),
    FOREIGN KEY (tenant, grant_id) REFERENCES grants (tenant, id),
    FOREIGN KEY (tenant, list_id, idx) REFERENCES status_entries (tenant, list_id, idx)
);
CREATE INDEX issued_credentials_grant ON issued_credentials (tenant, grant_id);
CREATE INDEX issued_credentials_evidence ON issued_credentials (tenant, evidence_pseudonym);

CREATE TABLE wallet_instances (
    tenant         TEXT   NOT NULL,
    id             TEXT   NOT NULL,
    key_thumbprint TEXT   NOT NULL,
    platform       TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    seen_at        BIGINT NOT NULL,
    revoked_at     BIGINT NOT NULL,
    revoke_reason  TEXT   NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, key_thumbprint)
);

CREATE TABLE wallet_attestations (
    tenant      TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    instance_id TEXT   NOT NULL,
    kind        TEXT   NOT NULL, -- wallet or key attestation
    list_id     TEXT   NOT NULL,
    idx         BIGINT NOT NULL,
    issued_at   BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, list_id, idx),
    FOREIGN KEY (tenant, instance_id) REFERENCES wallet_instances (tenant, id),
    FOREIGN KEY (tenant, list_id, idx) REFERENCES status_entries (tenant, list_id, idx)
);
CREATE INDEX wallet_attestations_instance ON wallet_attestations (tenant, instance_id);

-- Compared with the session store, to notice that it has lost data.
CREATE TABLE heartbeat (
    tenant  TEXT   NOT NULL,
    name    TEXT   NOT NULL,
    epoch   TEXT   NOT NULL,
    beat_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, name)
);

-- The head of each tenant's chain; its row is the lock of the chain.
CREATE TABLE audit_heads (
    tenant   TEXT   NOT NULL,
    sequence BIGINT NOT NULL,
    mac      BYTEA  NOT NULL,
    PRIMARY KEY (tenant)
);

-- Append-only. mac covers the event and the mac before it.
CREATE TABLE audit_events (
    tenant      TEXT   NOT NULL,
    sequence    BIGINT NOT NULL,
    happened_at BIGINT NOT NULL,
    kind        TEXT   NOT NULL,
    actor       TEXT   NOT NULL,
    object      TEXT   NOT NULL,
    outcome     TEXT   NOT NULL,
    mac         BYTEA  NOT NULL,
    PRIMARY KEY (tenant, sequence)
);

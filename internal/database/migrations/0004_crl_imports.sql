-- The parts of revocation lists that evidence may be found in. Which evidence
-- is in which part is not recorded: the name of a part tells a municipality.
CREATE TABLE crl_parts (
    tenant        TEXT   NOT NULL,
    id            TEXT   NOT NULL, -- pseudonym of CA key and partition
    issuer_key_id TEXT   NOT NULL,
    sealed_name   BYTEA  NOT NULL,
    created_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- How far the newest list of a part was matched with the evidence. number and
-- imported_update never go back.
CREATE TABLE crl_imports (
    tenant          TEXT   NOT NULL,
    part_id         TEXT   NOT NULL,
    number          TEXT   NOT NULL, -- of the list, in hexadecimal of fixed length
    digest          TEXT   NOT NULL, -- SHA-256 of the list
    this_update     BIGINT NOT NULL,
    total           BIGINT NOT NULL,
    position        BIGINT NOT NULL, -- entries before it are done
    matched         BIGINT NOT NULL, -- pieces of evidence that were found revoked in it
    started_at      BIGINT NOT NULL,
    finished_at     BIGINT NOT NULL,
    imported_update BIGINT NOT NULL, -- this_update of the newest list that was done to the end
    PRIMARY KEY (tenant, part_id)
);

-- Why the certificate was revoked; never leaves the issuer.
ALTER TABLE evidence ADD COLUMN revoke_reason TEXT NOT NULL DEFAULT '';

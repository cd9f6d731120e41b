-- What an instance said last of the version of its wallet; '' if nothing.
ALTER TABLE wallet_instances ADD COLUMN wallet_version TEXT NOT NULL DEFAULT '';
CREATE INDEX wallet_instances_version ON wallet_instances (tenant, wallet_version) WHERE revoked_at = 0;

-- Versions whose instances are revoked and get nothing more; '*' is all of them.
CREATE TABLE wallet_ended_versions (
    tenant         TEXT   NOT NULL,
    wallet_version TEXT   NOT NULL,
    ended_at       BIGINT NOT NULL,
    PRIMARY KEY (tenant, wallet_version)
);

-- Which instance a key was attested for, by a keyed hash of the key.
CREATE TABLE wallet_attested_keys (
    tenant      TEXT NOT NULL,
    key_mac     TEXT NOT NULL,
    instance_id TEXT NOT NULL,
    PRIMARY KEY (tenant, key_mac),
    FOREIGN KEY (tenant, instance_id) REFERENCES wallet_instances (tenant, id)
);

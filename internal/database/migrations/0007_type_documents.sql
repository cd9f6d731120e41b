-- Type metadata that credentials name by their digest. A row never changes.
CREATE TABLE type_documents (
    tenant     TEXT   NOT NULL,
    name       TEXT   NOT NULL, -- of the configuration
    digest     TEXT   NOT NULL, -- SHA-256 in base64url
    document   BYTEA  NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, name, digest)
);

-- The tokens of the present publication of a list, in both forms: its own, and
-- those signed ahead for later moments. Rows of another sequence than that of
-- status_publications are void: a program without this table has published.
CREATE TABLE status_tokens (
    tenant     TEXT   NOT NULL,
    list_id    TEXT   NOT NULL,
    sequence   BIGINT NOT NULL,
    issued_at  BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    jwt        TEXT   NOT NULL,
    cwt        BYTEA  NOT NULL,
    PRIMARY KEY (tenant, list_id, sequence, issued_at),
    FOREIGN KEY (tenant, list_id) REFERENCES status_lists (tenant, id)
);

-- Its row is the lock under which a list of a kind is opened, so that several
-- processes open one and not one each.
CREATE TABLE status_openings (
    tenant TEXT   NOT NULL,
    owner  TEXT   NOT NULL,
    kind   TEXT   NOT NULL,
    count  BIGINT NOT NULL,
    PRIMARY KEY (tenant, owner, kind)
);

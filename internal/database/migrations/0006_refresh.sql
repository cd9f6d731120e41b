-- Of a grant that can be refreshed: which refresh token is its own, as a keyed
-- hash, and what the key in that token opens. Both are emptied when it ends.
ALTER TABLE grants ADD COLUMN refresh_mac TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN sealed_claims BYTEA NOT NULL DEFAULT '';
CREATE INDEX grants_refresh ON grants (tenant, refresh_mac) WHERE refresh_mac <> '';
CREATE INDEX grants_refresh_ends ON grants (tenant, expires_at) WHERE refresh_mac <> '';

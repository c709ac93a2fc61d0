-- Creates two roles for one database. A superuser runs it once: psql -v ON_ERROR_STOP=1 -v owner_password=… -v app_password=…
-- Only tenantry_owner changes the schema. The server and the worker use tenantry, which reads and writes rows and can neither
-- turn off nor bypass row-level security.

CREATE ROLE tenantry_owner LOGIN PASSWORD :'owner_password'
    NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION;
CREATE ROLE tenantry LOGIN PASSWORD :'app_password'
    NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION;

CREATE DATABASE tenantry OWNER tenantry_owner ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE tenantry FROM PUBLIC;
GRANT CONNECT ON DATABASE tenantry TO tenantry;

\connect tenantry
ALTER SCHEMA public OWNER TO tenantry_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO tenantry;
ALTER DEFAULT PRIVILEGES FOR ROLE tenantry_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO tenantry;
ALTER DEFAULT PRIVILEGES FOR ROLE tenantry_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO tenantry;

-- What the file is about: created (microseconds), program, continued_in, next_flow, next_seq.
CREATE TABLE meta (
    key TEXT PRIMARY KEY NOT NULL,
    value
) WITHOUT ROWID;

-- A run of the program that wrote into the file.
CREATE TABLE session (
    id INTEGER PRIMARY KEY,
    started INTEGER NOT NULL,
    ended INTEGER,
    program TEXT NOT NULL,
    host TEXT NOT NULL,
    command TEXT NOT NULL,
    -- Added to the run's own numbers of connections.
    conn_base INTEGER NOT NULL
);

CREATE TABLE host (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
-- What stands before the target in a URL: `https://registry.test`; empty when the target is a URL itself.
CREATE TABLE site (id INTEGER PRIMARY KEY, prefix TEXT NOT NULL UNIQUE);
CREATE TABLE method (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
-- Values of Content-Type, and the media type in each.
CREATE TABLE content_type (id INTEGER PRIMARY KEY, value TEXT NOT NULL UNIQUE, media_type TEXT NOT NULL);

CREATE TABLE certificate (
    id INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL UNIQUE,
    subject TEXT,
    issuer TEXT,
    not_before INTEGER,
    not_after INTEGER,
    der BLOB NOT NULL
);

-- `key` in these three: SHA-256 of the row's content, so that equal ones are kept once.
CREATE TABLE process (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    pid INTEGER NOT NULL,
    name TEXT NOT NULL,
    exe TEXT,
    container TEXT
);
CREATE TABLE hello (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    sni TEXT,
    alpn TEXT NOT NULL,
    versions TEXT NOT NULL,
    ja3 TEXT NOT NULL,
    ja3_text TEXT NOT NULL,
    ja4 TEXT NOT NULL
);
CREATE TABLE tls (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    cipher TEXT NOT NULL,
    key_group TEXT,
    alpn TEXT,
    sni TEXT,
    hello INTEGER REFERENCES hello (id),
    resumed INTEGER NOT NULL,
    -- Certificate IDs, leaf first, as a JSON array; `leaf` is the first of them.
    chain TEXT NOT NULL,
    leaf INTEGER REFERENCES certificate (id),
    -- NULL: not checked.
    verified INTEGER,
    unverified_because TEXT
);

-- What was known of a connection. Mostly one row each; one more whenever something changed after a flow was written that
-- must go on saying what it said. The row with the highest id is the latest.
CREATE TABLE connection (
    id INTEGER PRIMARY KEY,
    conn INTEGER NOT NULL,
    session INTEGER NOT NULL REFERENCES session (id),
    since INTEGER NOT NULL,
    latest INTEGER NOT NULL,
    client TEXT,
    local TEXT,
    mode TEXT,
    process INTEGER REFERENCES process (id),
    target_host INTEGER REFERENCES host (id),
    target_port INTEGER,
    former_targets TEXT,
    upstream TEXT,
    verdict TEXT,
    because TEXT,
    hello INTEGER REFERENCES hello (id),
    server_tls INTEGER REFERENCES tls (id),
    client_tls INTEGER REFERENCES tls (id),
    cause TEXT,
    finding TEXT,
    findings INTEGER NOT NULL,
    exchanges INTEGER NOT NULL,
    fate TEXT NOT NULL,
    closed INTEGER,
    bytes_to_server INTEGER,
    lost_to_server INTEGER,
    bytes_to_client INTEGER,
    lost_to_client INTEGER,
    how TEXT,
    how_words TEXT
);
CREATE INDEX connection_conn ON connection (conn);

-- One row a flow, narrow, for lists and filters. kind 1: exchange, 2: connection. Times in microseconds since 1970.
CREATE TABLE flow (
    id INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    connection INTEGER NOT NULL REFERENCES connection (id),
    conn INTEGER NOT NULL,
    stream INTEGER,
    -- Of the connection, when the flow ended.
    conn_latest INTEGER NOT NULL,
    conn_exchanges INTEGER NOT NULL,
    conn_closed INTEGER NOT NULL,
    version INTEGER,
    started INTEGER NOT NULL,
    request_end INTEGER,
    response_start INTEGER,
    ended INTEGER,
    method INTEGER REFERENCES method (id),
    site INTEGER REFERENCES site (id),
    scheme TEXT,
    host INTEGER REFERENCES host (id),
    port INTEGER,
    path TEXT,
    status INTEGER,
    request_type INTEGER REFERENCES content_type (id),
    response_type INTEGER REFERENCES content_type (id),
    request_size INTEGER NOT NULL,
    response_size INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    flags INTEGER NOT NULL
);
CREATE INDEX flow_conn ON flow (conn, stream);
CREATE INDEX flow_host ON flow (host);
CREATE INDEX flow_status ON flow (status);
CREATE INDEX flow_started ON flow (started);

-- The rest of an exchange. Heads are JSON; bytes in it are ISO 8859-1 characters. Body 0 has no row: it is empty, with the digest of nothing.
CREATE TABLE exchange (
    flow INTEGER PRIMARY KEY REFERENCES flow (id),
    request TEXT,
    request_body INTEGER REFERENCES body (id),
    response TEXT,
    response_body INTEGER REFERENCES body (id),
    rest TEXT
);

-- A body: counts, and what was kept of it: either `data`, or chunks (IDs in order, as a JSON array).
CREATE TABLE body (
    id INTEGER PRIMARY KEY,
    length INTEGER NOT NULL,
    wire_length INTEGER NOT NULL,
    sha256 BLOB,
    kept INTEGER NOT NULL,
    data BLOB,
    chunks TEXT
);
-- A piece of content, kept once however often it passed. coding 0: as it is, 1: zstd.
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL UNIQUE,
    refs INTEGER NOT NULL,
    size INTEGER NOT NULL,
    coding INTEGER NOT NULL,
    data BLOB NOT NULL
);

-- Messages and whatever else decoders found: websocket, grpc, sse, opaque, stopped, anomaly.
CREATE TABLE message (
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    connection INTEGER NOT NULL REFERENCES connection (id),
    conn INTEGER NOT NULL,
    stream INTEGER,
    conn_latest INTEGER NOT NULL,
    conn_exchanges INTEGER NOT NULL,
    conn_closed INTEGER NOT NULL,
    -- 0: from the client, 1: to the client.
    direction INTEGER,
    at INTEGER,
    length INTEGER,
    body INTEGER REFERENCES body (id),
    body_to_client INTEGER REFERENCES body (id),
    detail TEXT NOT NULL
);
CREATE INDEX message_conn ON message (conn, stream);

CREATE TABLE finding (
    seq INTEGER PRIMARY KEY,
    connection INTEGER NOT NULL REFERENCES connection (id),
    conn INTEGER NOT NULL,
    conn_latest INTEGER NOT NULL,
    conn_exchanges INTEGER NOT NULL,
    conn_closed INTEGER NOT NULL,
    cause TEXT NOT NULL,
    fault TEXT NOT NULL,
    summary TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX finding_conn ON finding (conn);

-- The moment in the order of things at which a connection ended.
CREATE TABLE closing (
    seq INTEGER PRIMARY KEY,
    connection INTEGER NOT NULL REFERENCES connection (id),
    conn INTEGER NOT NULL,
    conn_latest INTEGER NOT NULL,
    conn_exchanges INTEGER NOT NULL,
    conn_closed INTEGER NOT NULL
);
CREATE INDEX closing_conn ON closing (conn);

-- What is not in the file, and why. what: `sinks` (they were too slow) or `store` (the disk did not take it).
CREATE TABLE loss (
    seq INTEGER PRIMARY KEY,
    what TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    connections INTEGER NOT NULL,
    flows INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    reason TEXT NOT NULL
);

-- Blocks of events of sockets, with --store-packets. coding as in chunk.
CREATE TABLE packets (
    seq INTEGER PRIMARY KEY,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    events INTEGER NOT NULL,
    size INTEGER NOT NULL,
    coding INTEGER NOT NULL,
    data BLOB NOT NULL
);

-- Flows with names instead of numbers, for people.
CREATE VIEW flows AS
SELECT
    flow.id,
    strftime('%Y-%m-%dT%H:%M:%fZ', flow.started / 1000000.0, 'unixepoch') AS time,
    method.name AS method,
    site.prefix || flow.path AS url,
    host.name AS host,
    flow.status,
    content_type.media_type,
    flow.request_size,
    flow.response_size,
    (flow.response_start - flow.started) / 1000.0 AS first_byte_ms,
    (flow.ended - flow.started) / 1000.0 AS total_ms,
    flow.outcome,
    coalesce(process.exe, process.name, connection.client) AS client,
    connection.cause,
    flow.conn
FROM flow
JOIN connection ON connection.id = flow.connection
LEFT JOIN site ON site.id = flow.site
LEFT JOIN method ON method.id = flow.method
LEFT JOIN host ON host.id = flow.host
LEFT JOIN content_type ON content_type.id = flow.response_type
LEFT JOIN process ON process.id = connection.process;

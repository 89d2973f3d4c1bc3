create table clusters (
  client_id text primary key,
  life text not null,
  topic_id text not null,
  partition int not null,
  begun_at timestamptz not null,
  heard_at timestamptz not null,
  partition_count int,
  mode text,
  agent_version text,
  projection text,
  cluster_uid text,
  foreign_records bigint not null default 0,
  foreign_life text,
  foreign_at timestamptz
);
comment on table clusters is 'What is known of each cluster as a whole; one life, of one agent, counts at a time';
create index on clusters (cluster_uid) where cluster_uid is not null;

create table kinds (
  client_id text not null,
  kind text not null,
  state text not null default 'unknown',
  state_since timestamptz,
  scope text not null default '',
  detail text,
  pass text,
  full_pass_at timestamptz,
  mark_at timestamptz,
  mark_offset bigint,
  mark_full boolean,
  mark_count bigint,
  mark_set_hash text,
  mark_resource_version text,
  bookmark_age_ms bigint,
  refused_count bigint not null default 0,
  row_count bigint,
  row_set_hash text,
  verified boolean not null default false,
  unverified_reason text,
  missed_since timestamptz,
  complete_to timestamptz,
  primary key (client_id, kind)
);
comment on column kinds.verified is 'Whether the rows equalled the agent''s objects at its last mark, and nothing has been missed since';
comment on column kinds.missed_since is 'Records may have been lost before we read them; the next full pass ends it';
comment on column kinds.complete_to is 'All changes that Kubernetes announced before this time are in the rows';

create table objects (
  client_id text not null,
  kind text not null,
  uid text not null,
  namespace text,
  name text not null,
  resource_version text not null,
  hash text not null,
  entry numeric(39, 0) not null,
  projection text not null,
  stub text,
  observed_at text,
  valid_from timestamptz not null,
  kafka_partition int not null,
  kafka_offset bigint not null,
  data jsonb not null,
  primary key (client_id, kind, uid)
);
comment on column objects.entry is 'What this object adds to the hash of its set: 128 bits of SHA-256 over uid and hash';

create table object_pass (
  client_id text not null,
  kind text not null,
  uid text not null,
  pass text not null,
  primary key (client_id, kind, uid)
) with (fillfactor = 70);
comment on table object_pass is 'The full pass that saw each object last: narrow, for it changes with every pass';

create table object_history (
  client_id text not null,
  kind text not null,
  uid text not null,
  namespace text,
  name text not null,
  resource_version text not null,
  hash text not null,
  projection text not null,
  stub text,
  observed_at text,
  valid_from timestamptz not null,
  valid_to timestamptz not null,
  ending text not null,
  kafka_partition int not null,
  kafka_offset bigint not null,
  data jsonb not null,
  primary key (client_id, kind, uid, valid_to, kafka_partition, kafka_offset)
) partition by range (valid_to);
create table object_history_default partition of object_history default;
create index on object_history (valid_to);
comment on table object_history is 'Versions that have ended: because the object changed, was deleted, was not in a full pass, or is collected no more';

create table dead_letters (
  topic_id text not null,
  partition int not null,
  record_offset bigint not null,
  code text not null,
  detail text not null,
  key text,
  value_bytes bigint,
  value_sha256 text,
  at timestamptz not null,
  primary key (topic_id, partition, record_offset)
);
comment on table dead_letters is 'Records that were not taken: where they lie and why, never what they say';

create table cursors (
  topic_id text not null,
  partition int not null,
  topic text not null,
  next_offset bigint not null,
  last_append_at timestamptz,
  applied_at timestamptz not null default now(),
  primary key (topic_id, partition)
);
comment on table cursors is 'The offset that is applied next; moved in the transaction that applies what is before it';

create table snapshots (
  id bigint generated always as identity primary key,
  client_id text not null,
  taken_at timestamptz not null,
  complete_to timestamptz,
  counts jsonb not null
);
create index on snapshots (client_id, taken_at);
comment on table snapshots is 'Names of moments; what was there then is in objects and object_history';

create table retention (
  id boolean primary key default true check (id),
  history_from timestamptz
);
insert into retention default values;
comment on column retention.history_from is 'Versions that ended before this have been deleted; null: none';

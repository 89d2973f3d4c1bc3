-- The original's tables as views: its columns, the cluster, and the number of its last snapshot.
-- What an object holds came over Kafka: one wrong value makes its own column null, not the whole query fail.

create function time_of(value jsonb) returns timestamptz language plpgsql stable as $$
begin
  return (value #>> '{}')::timestamptz;
exception when others then
  return null;
end $$;

create function number_of(value jsonb) returns bigint language sql immutable as $$
  select case when jsonb_typeof(value) = 'number' and abs(value::numeric) < 1e18 then round(value::numeric)::bigint end
$$;

create function truth_of(value jsonb) returns boolean language sql immutable as $$
  select case when jsonb_typeof(value) = 'boolean' then value::boolean end
$$;

create view last_snapshots as
  select client_id, max(id) as id from snapshots group by client_id;

create view deployments as
  select
    o.client_id,
    s.id as snapshot_id,
    o.uid,
    o.name,
    o.namespace,
    time_of(o.data -> 'created_time') as created_time,
    number_of(o.data -> 'replicas') as replicas,
    number_of(o.data -> 'ready_replicas') as ready_replicas,
    number_of(o.data -> 'updated_replicas') as updated_replicas,
    o.data -> 'conditions' as conditions,
    o.data -> 'labels' as labels,
    o.data -> 'annotations' as annotations
  from objects o
  left join last_snapshots s on s.client_id = o.client_id
  where o.kind = 'deployments.apps';

create view pods as
  select
    o.client_id,
    s.id as snapshot_id,
    o.uid,
    o.name,
    o.namespace,
    time_of(o.data -> 'created_time') as created_time,
    o.data ->> 'deployment_name' as deployment_name,
    o.data ->> 'phase' as phase,
    o.data ->> 'node_name' as node_name,
    o.data ->> 'pod_ip' as pod_ip,
    o.data ->> 'host_ip' as host_ip,
    number_of(o.data -> 'restart_count') as restart_count,
    o.data ->> 'cpu_request' as cpu_request,
    o.data ->> 'cpu_limit' as cpu_limit,
    o.data ->> 'memory_request' as memory_request,
    o.data ->> 'memory_limit' as memory_limit,
    o.data ->> 'storage_request' as storage_request,
    o.data -> 'labels' as labels,
    o.data -> 'annotations' as annotations,
    o.data -> 'container_statuses' as container_statuses
  from objects o
  left join last_snapshots s on s.client_id = o.client_id
  where o.kind = 'pods';

create view nodes as
  select
    o.client_id,
    s.id as snapshot_id,
    o.uid,
    o.name,
    time_of(o.data -> 'created_time') as created_time,
    truth_of(o.data -> 'ready') as ready,
    o.data ->> 'cpu_capacity' as cpu_capacity,
    o.data ->> 'memory_capacity' as memory_capacity,
    o.data ->> 'storage_capacity' as storage_capacity,
    o.data ->> 'cpu_allocatable' as cpu_allocatable,
    o.data ->> 'memory_allocatable' as memory_allocatable,
    o.data ->> 'storage_allocatable' as storage_allocatable,
    o.data ->> 'os_image' as os_image,
    o.data ->> 'kernel_version' as kernel_version,
    o.data ->> 'kubelet_version' as kubelet_version,
    o.data -> 'labels' as labels,
    o.data -> 'annotations' as annotations
  from objects o
  left join last_snapshots s on s.client_id = o.client_id
  where o.kind = 'nodes';

create view services as
  select
    o.client_id,
    s.id as snapshot_id,
    o.uid,
    o.name,
    o.namespace,
    time_of(o.data -> 'created_time') as created_time,
    o.data ->> 'type' as type,
    o.data ->> 'cluster_ip' as cluster_ip,
    o.data -> 'external_ips' as external_ips,
    o.data -> 'ports' as ports,
    o.data -> 'selector' as selector,
    o.data -> 'labels' as labels,
    o.data -> 'annotations' as annotations
  from objects o
  left join last_snapshots s on s.client_id = o.client_id
  where o.kind = 'services';

create view ingresses as
  select
    o.client_id,
    s.id as snapshot_id,
    o.uid,
    o.name,
    o.namespace,
    time_of(o.data -> 'created_time') as created_time,
    o.data -> 'hosts' as hosts,
    o.data -> 'paths' as paths,
    o.data -> 'tls' as tls,
    o.data -> 'labels' as labels,
    o.data -> 'annotations' as annotations
  from objects o
  left join last_snapshots s on s.client_id = o.client_id
  where o.kind = 'ingresses.networking.k8s.io';

create view configmaps as
  select
    o.client_id,
    s.id as snapshot_id,
    o.uid,
    o.name,
    o.namespace,
    time_of(o.data -> 'created_time') as created_time,
    o.data -> 'data_keys' as data_keys,
    o.data -> 'labels' as labels,
    o.data -> 'annotations' as annotations
  from objects o
  left join last_snapshots s on s.client_id = o.client_id
  where o.kind = 'configmaps';

create view secrets as
  select
    o.client_id,
    s.id as snapshot_id,
    o.uid,
    o.name,
    o.namespace,
    time_of(o.data -> 'created_time') as created_time,
    o.data ->> 'type' as type,
    o.data -> 'data_keys' as data_keys,
    number_of(o.data -> 'data_count') as data_count,
    o.data -> 'labels' as labels,
    o.data -> 'annotations' as annotations
  from objects o
  left join last_snapshots s on s.client_id = o.client_id
  where o.kind = 'secrets';

create view persistent_volumes as
  select
    o.client_id,
    s.id as snapshot_id,
    o.uid,
    o.name,
    time_of(o.data -> 'created_time') as created_time,
    o.data ->> 'capacity' as capacity,
    o.data -> 'access_modes' as access_modes,
    o.data ->> 'reclaim_policy' as reclaim_policy,
    o.data ->> 'storage_class' as storage_class,
    o.data ->> 'volume_mode' as volume_mode,
    o.data ->> 'status' as status,
    o.data ->> 'claim_ref' as claim_ref,
    o.data ->> 'volume_source' as volume_source,
    o.data -> 'labels' as labels,
    o.data -> 'annotations' as annotations
  from objects o
  left join last_snapshots s on s.client_id = o.client_id
  where o.kind = 'persistentvolumes';

create view persistent_volume_claims as
  select
    o.client_id,
    s.id as snapshot_id,
    o.uid,
    o.name,
    o.namespace,
    time_of(o.data -> 'created_time') as created_time,
    o.data ->> 'requested_size' as requested_size,
    o.data -> 'access_modes' as access_modes,
    o.data ->> 'storage_class' as storage_class,
    o.data ->> 'volume_mode' as volume_mode,
    o.data ->> 'status' as status,
    o.data ->> 'volume_name' as volume_name,
    o.data -> 'labels' as labels,
    o.data -> 'annotations' as annotations
  from objects o
  left join last_snapshots s on s.client_id = o.client_id
  where o.kind = 'persistentvolumeclaims';

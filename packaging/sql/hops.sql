-- SPDX-License-Identifier: Apache-2.0
-- Hops of one call across nodes, for PostgreSQL 12 and SQLite 3.39, or later. Nothing is changed: two views are made, so
-- running it again, or after more records have come, is always right. What it reads, and the rule, is in README.md.

-- Calls to a gateway's host, and the tenant under which the gateway's own calls to providers are recorded. Without a
-- line here only calls with one response id are joined.
create table if not exists gateway (host text not null, tenant text not null, primary key (host, tenant));

drop view if exists call_settled;
drop view if exists call_hop;

create view call_hop as
with recursive
-- How far the clocks of two nodes may be apart, in ns.
slack as (select 2000000000 as ns),
-- The latest revision of each record, if it was not taken back.
latest as (
    select r.*, r.end_ns - r.start_ns as duration_ns,
        case when r.parent_record_id is not null and r.hop_role in ('terminal', 'transit') then 1 else 0 end as joined
    from call_record as r
    where r.record_state <> 'void'
        and r.revision = (select max(m.revision) from call_record as m where m.record_id = r.record_id)
),
candidate as (
    select * from latest
    where joined = 0 and coalesce(stored, 0) = 0 and model_part is null and coverage_class = 'decoded'
),
-- Stated: one response id, two nodes, two hosts. Clocks differ, lengths do not: the longer call is the outer one, and of
-- several the shortest is the nearest.
same_id as (
    select i.record_id as child, o.record_id as parent,
        row_number() over (partition by i.record_id order by o.duration_ns, o.record_id) as nearest
    from candidate as i
    join latest as o on o.dedupe_key = i.dedupe_key and o.node_uid <> i.node_uid and o.host <> i.host
    cross join slack
    where o.duration_ns > i.duration_ns
        and o.start_ns <= i.start_ns + slack.ns and i.end_ns <= o.end_ns + slack.ns
),
stated as (select child, parent from same_id where nearest = 1),
-- Inferred: the gateway gave the answer another id. Its host and its tenant are known, the tokens are the same as both
-- ends state them, the models are alike, and there is one candidate on either side.
like_call as (
    select i.record_id as child, o.record_id as parent
    from candidate as o
    join gateway as g on g.host = o.host
    join candidate as i on i.tenant = g.tenant and i.input_total = o.input_total and i.output_total = o.output_total
    cross join slack
    where i.node_uid <> o.node_uid and i.host <> o.host
        and i.input_total > 0 and i.output_total > 0 and i.usage_source = 'wire' and o.usage_source = 'wire'
        and o.duration_ns > i.duration_ns
        and o.start_ns <= i.start_ns + slack.ns and i.end_ns <= o.end_ns + slack.ns
        -- An answer under the name that was asked for (an alias) says nothing of the model behind it.
        and (o.response_model is null or o.response_model = o.request_model
            or lower(o.request_model) = lower(i.request_model) or lower(o.response_model) = lower(i.response_model)
            or lower(o.request_model) like '%/' || lower(i.request_model)
            or lower(i.response_model) like lower(o.request_model) || '-%'
            or lower(i.response_model) like lower(o.response_model) || '-%')
        and i.record_id not in (select child from stated) and o.record_id not in (select parent from stated)
),
inferred_pair as (
    select child, parent from like_call
    where child in (select child from like_call group by child having count(*) = 1)
        and parent in (select parent from like_call group by parent having count(*) = 1)
),
pair as (
    select child, parent, 0 as inferred from stated
    union all select child, parent, 1 from inferred_pair
    union all select record_id, parent_record_id, case when coalesce(inferred, 0) & 4 > 0 then 1 else 0 end
        from latest where joined = 1
),
-- What the gateway's process tried before the hop that worked: no longer before it than the client's call took, and
-- for one client only.
tried as (
    select f.record_id as child, p.parent
    from pair as p
    join latest as c on c.record_id = p.child
    join latest as o on o.record_id = p.parent
    join candidate as f on f.node_uid = c.node_uid and f.conn_tgid = c.conn_tgid and f.record_id <> c.record_id
    where o.node_uid <> c.node_uid and f.host <> o.host
        and f.end_ns <= c.start_ns and f.start_ns >= c.end_ns - o.duration_ns
        and (coalesce(f.status_code, 599) >= 400 or f.error_type is not null or f.usage_completeness <> 'complete')
        and f.record_id not in (select child from pair)
),
link as (
    select child, parent, inferred from pair
    union all select child, min(parent), 1 from tried group by child having count(*) = 1
),
-- The hops that have none below them: these were paid for.
leaf as (
    select child as record_id from link where child not in (select parent from link)
),
above (leaf, record_id, depth) as (
    select record_id, record_id, 0 from leaf
    union all
    select a.leaf, l.parent, a.depth + 1 from above as a join link as l on l.child = a.record_id where a.depth < 8
),
paid as (
    select a.record_id, sum(c.cost_pico) as cost_pico, min(c.currency) as currency
    from above as a join latest as c on c.record_id = a.leaf
    where a.depth > 0 and c.cost_pico is not null
    group by a.record_id having count(distinct c.currency) = 1
)
select r.record_id, r.revision,
    l.parent as hop_parent,
    case when l.child is null then case when p.parent is null then 'single' else 'origin' end
        else case when p.parent is null then 'terminal' else 'transit' end end as hop,
    coalesce(l.inferred, 0) as hop_inferred,
    case when l.child is null then r.counts_in_total else 0 end as counts,
    coalesce(paid.cost_pico, r.cost_pico) as settled_cost_pico,
    coalesce(paid.currency, r.currency) as settled_currency
from latest as r
left join link as l on l.child = r.record_id
left join (select distinct parent from link) as p on p.parent = r.record_id
left join paid on paid.record_id = r.record_id;

-- What reports read: where counts = 1, settled_cost_pico is what a call cost, and the record says whose it is.
create view call_settled as
select h.hop_parent, h.hop, h.hop_inferred, h.counts, h.settled_cost_pico, h.settled_currency, r.*
from call_hop as h
join call_record as r on r.record_id = h.record_id and r.revision = h.revision;

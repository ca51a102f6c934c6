-- SPDX-License-Identifier: Apache-2.0
-- Hops of one call across nodes, for ClickHouse (run on 26.9): the rule of hops.sql, see README.md. It makes tables anew,
-- each in one step, so that a reader always sees a whole one: run it when records have come, as often as you like.

create table if not exists gateway (host String, tenant String) engine = ReplacingMergeTree order by (host, tenant);

create or replace table call_latest engine = MergeTree order by tuple() as
select r.*, r.end_ns - r.start_ns as duration_ns,
    r.parent_record_id is not null and r.hop_role in ('terminal', 'transit') as joined,
    not joined and ifNull(r.stored, 0) = 0 and r.model_part is null and r.coverage_class = 'decoded' as free
from (select * from call_record order by revision desc limit 1 by record_id) as r
where r.record_state <> 'void';

-- Two seconds is how far the clocks of two nodes may be apart.
create or replace table call_pair engine = MergeTree order by tuple() as
with stated as (
    select i.record_id as child, o.record_id as parent
    from call_latest as i inner join call_latest as o on o.dedupe_key = i.dedupe_key
    where i.free and i.dedupe_key is not null and o.node_uid <> i.node_uid and o.host <> i.host
        and o.duration_ns > i.duration_ns
        and o.start_ns <= i.start_ns + 2000000000 and i.end_ns <= o.end_ns + 2000000000
    order by o.duration_ns, o.record_id limit 1 by child
),
like_call as (
    select i.record_id as child, o.record_id as parent
    from (
        select * from call_latest inner join (select distinct host as at_host, tenant as by_tenant from gateway) as g
            on g.at_host = call_latest.host where free
    ) as o
    inner join call_latest as i
        on i.tenant = o.by_tenant and i.input_total = o.input_total and i.output_total = o.output_total
    where i.free and i.node_uid <> o.node_uid and i.host <> o.host
        and i.input_total > 0 and i.output_total > 0 and i.usage_source = 'wire' and o.usage_source = 'wire'
        and o.duration_ns > i.duration_ns
        and o.start_ns <= i.start_ns + 2000000000 and i.end_ns <= o.end_ns + 2000000000
        and (o.response_model is null or o.response_model = o.request_model
            or lower(o.request_model) = lower(i.request_model) or lower(o.response_model) = lower(i.response_model)
            or endsWith(lower(o.request_model), concat('/', lower(i.request_model)))
            or startsWith(lower(i.response_model), concat(lower(o.request_model), '-'))
            or startsWith(lower(i.response_model), concat(lower(o.response_model), '-')))
        and i.record_id not in (select child from stated) and o.record_id not in (select parent from stated)
)
select child, parent, 0 as inferred from stated
union all
select child, parent, 1 from like_call
where child in (select child from like_call group by child having count() = 1)
    and parent in (select parent from like_call group by parent having count() = 1)
union all
select record_id, assumeNotNull(parent_record_id), bitAnd(ifNull(inferred, 0), 4) > 0 from call_latest where joined;

create or replace table call_link engine = MergeTree order by tuple() as
with tried as (
    select f.record_id as child, co.parent as parent
    from (
        select c.node_uid as node_uid, c.conn_tgid as conn_tgid, c.record_id as record_id, c.start_ns as start_ns,
            c.end_ns as end_ns, o.duration_ns as outer_ns, o.host as outer_host, p.parent as parent
        from call_pair as p
        inner join call_latest as c on c.record_id = p.child
        inner join call_latest as o on o.record_id = p.parent
        where o.node_uid <> c.node_uid
    ) as co
    inner join call_latest as f on f.node_uid = co.node_uid and f.conn_tgid = co.conn_tgid
    where f.free and f.record_id <> co.record_id and f.host <> co.outer_host
        and f.end_ns <= co.start_ns and f.start_ns >= co.end_ns - co.outer_ns
        and (ifNull(f.status_code, 599) >= 400 or f.error_type is not null or f.usage_completeness <> 'complete')
        and f.record_id not in (select child from call_pair)
)
select child, parent, inferred from call_pair
union all
select child, min(parent), 1 from tried group by child having count() = 1;

-- Gateways behind gateways: up to four.
create or replace table call_paid engine = MergeTree order by tuple() as
with leaf as (select child, parent from call_link where child not in (select parent from call_link)),
above as (
    select child as leaf, parent as record_id from leaf
    union all
    select a.child, b.parent from leaf as a inner join call_link as b on b.child = a.parent
    union all
    select a.child, d.parent from leaf as a inner join call_link as b on b.child = a.parent
        inner join call_link as d on d.child = b.parent
    union all
    select a.child, e.parent from leaf as a inner join call_link as b on b.child = a.parent
        inner join call_link as d on d.child = b.parent inner join call_link as e on e.child = d.parent
)
select a.record_id as paid_id, sum(assumeNotNull(c.cost_pico)) as paid_pico, any(assumeNotNull(c.currency)) as paid_currency
from above as a inner join call_latest as c on c.record_id = a.leaf
where c.cost_pico is not null
group by paid_id having uniqExact(c.currency) = 1;

create or replace table call_settled engine = MergeTree order by (tenant, start_ns) as
select if(l.linked = 1, l.parent, null) as hop_parent,
    multiIf(l.linked = 1 and p.above = 1, 'transit', l.linked = 1, 'terminal', p.above = 1, 'origin', 'single') as hop,
    l.by_guess as hop_inferred,
    if(l.linked = 1, 0, toUInt8(r.counts_in_total)) as counts,
    if(paid.known = 1, toNullable(paid.paid_pico), r.cost_pico) as settled_cost_pico,
    if(paid.known = 1, toNullable(paid.paid_currency), r.currency) as settled_currency,
    r.*
from call_latest as r
left join (select child, parent, inferred as by_guess, 1 as linked from call_link) as l on l.child = r.record_id
left join (select distinct parent, 1 as above from call_link) as p on p.parent = r.record_id
left join (select *, 1 as known from call_paid) as paid on paid.paid_id = r.record_id;

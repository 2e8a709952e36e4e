-- A table of 40,000 rows made by a recursive query, indexed, joined, grouped, changed.
create table item (id integer primary key, kind integer, price integer, name text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 40000)
insert into item select i, (i * 7919) % 97, (i * 104729) % 10007, 'item ' || ((i * 31) % 5000) from n;
create index by_kind on item (kind, price);
create table kind (id integer primary key, label text);
insert into kind select distinct kind, 'kind ' || kind from item;
select label, count(*), sum(price), max(name) from item join kind on kind.id = item.kind group by label order by 3 desc limit 5;
update item set price = price + 1 where kind between 10 and 40;
select count(*), sum(price) from item where name like '%99%';
select kind, price from item where kind = 12 and price > 9900 order by price limit 5;
delete from item where price % 3 = 0;
select count(*), avg(price), min(name) from item;

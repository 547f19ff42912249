-- +goose Up

-- What records are found by: words, pieces of texts, and values of arrays, as terms that
-- each say of which tenant, kind and member they are (projections/query/words.go). It is
-- a table of its own because the terms of a record seldom change, while its row does so
-- with every event. A record keeps its terms in the bin.
create table crm.words (
    tenant_id uuid not null,
    projection text not null,
    of_ver int not null, -- of the row
    of_id uuid not null,
    terms tsvector not null,
    primary key (tenant_id, projection, of_ver, of_id)
);
-- The operator @@ could tell somebody what it compares, so whoever is bound by the wall
-- cannot use this index. rowhouse_search can, through the function below only.
create index words_terms on crm.words using gin (terms) with (gin_pending_list_limit = 1024);
select sec.build_wall('crm.words', 'rowhouse_reader', 'rowhouse_projector');
create policy searching on crm.words for select to rowhouse_search using (true);
grant select on crm.words to rowhouse_reader, rowhouse_search;
grant select, insert, update, delete on crm.words to rowhouse_projector;
grant usage on schema sec, crm to rowhouse_search;
grant execute on function sec.tenant(text) to rowhouse_search;
alter table crm.words alter column terms set statistics 0;

-- crm.find_words returns the IDs of records whose terms meet a condition, in no order, up
-- to so many. Whose records says the seal of the transaction, and nobody else.
-- +goose StatementBegin
create function crm.find_words(p_projection text, p_ver int, p_terms text, p_most int) returns setof uuid
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off set enable_bitmapscan = on as $$
declare
    t uuid := sec.tenant();
begin
    -- The index finds by terms alone: they say whose they are, nearly always.
    return query select w.of_id from crm.words w
        where w.terms @@ p_terms::tsquery and (w.tenant_id = t and w.projection = p_projection and w.of_ver = p_ver) is true
        limit p_most;
end $$;
-- +goose StatementEnd
grant create on schema crm to rowhouse_search;
alter function crm.find_words(text, int, text, int) owner to rowhouse_search;
revoke create on schema crm from rowhouse_search;
revoke all on function crm.find_words(text, int, text, int) from public;
grant execute on function crm.find_words(text, int, text, int) to rowhouse_reader;

-- Rows do not hold the text that is searched in any more. The column goes with the next
-- release: nodes of the one before this still write it.
alter table crm.companies alter column search_text set default '';
alter table crm.contacts alter column search_text set default '';
alter table crm.deals alter column search_text set default '';
alter table crm.leads alter column search_text set default '';
alter table crm.lists alter column search_text set default '';
alter table crm.notes alter column search_text set default '';
alter table crm.pipelines alter column search_text set default '';
alter table crm.products alter column search_text set default '';
alter table crm.tasks alter column search_text set default '';

-- +goose Up

-- What whoever appended a command noted with it, to answer its repetition with: a
-- command without events, or one that was several, cannot be answered from its
-- positions alone. Only commands that came with a hash have one.
alter table es.command add column note text collate "C";

-- es.append and es.enter are as in steps 2 and 11, but that they keep notes, which
-- come last: c_note counts like c_hash. es.decide passes them on. Nodes that know
-- nothing of notes call them without.
-- +goose StatementBegin
do $$
declare
    f   record;
    r   record;
    def text;
begin
    for f in
        select p.oid::regprocedure as id, p.proname as name from pg_proc p
        where p.pronamespace = 'es'::regnamespace and p.proname in ('append', 'enter', 'decide')
    loop
        def := pg_get_functiondef(f.id);
        for r in
            select * from (values
                ('', 'e_meta bytea[])', 'e_meta bytea[], c_note text[] DEFAULT ''{}''::text[])'),
                ('insert', 'insert into es.command (tenant_id, command_id, hash, first_pos, last_pos, at)',
                    'insert into es.command (tenant_id, command_id, hash, first_pos, last_pos, at, note)'),
                ('insert', 'v_at[c.tenant]' || chr(10) || '            from unnest(c_tenant, c_before, c_count, c_id, c_hash)',
                    'v_at[c.tenant], c_note[c.i]' || chr(10) || '            from unnest(c_tenant, c_before, c_count, c_id, c_hash)'),
                ('pass', 'e_id, e_type, e_schema, ''{}'', ''{}'')', 'e_id, e_type, e_schema, ''{}'', ''{}'', c_note)')) r(kind, find, put)
            where kind in ('', case f.name when 'decide' then 'pass' else 'insert' end)
        loop
            if strpos(def, r.find) = 0 or strpos(replace(def, r.find, ''), r.find) > 0 then
                raise exception 'the function % is not as this step expects it', f.id;
            end if;
            def := replace(def, r.find, r.put);
        end loop;
        execute format('drop function %s', f.id);
        execute def;
    end loop;

    for f in
        select p.oid::regprocedure as id, p.proname as name from pg_proc p
        where p.pronamespace = 'es'::regnamespace and p.proname in ('append', 'enter', 'decide')
    loop
        execute format('alter function %s owner to rowhouse_log', f.id);
        execute format('revoke all on function %s from public', f.id);
        if f.name <> 'enter' then
            execute format('grant execute on function %s to rowhouse_writer', f.id);
        end if;
    end loop;
end $$;
-- +goose StatementEnd

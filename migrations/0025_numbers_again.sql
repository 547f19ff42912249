-- +goose Up

-- es.append_numbered is as in step 23, but for what happens if a command that was
-- refused at first, and so got no number, is taken when all is judged again. That can
-- only be if what refused it was forgotten in this moment, as commands are after some
-- days: it is judged once more then, with a number. Before, it would have been recorded
-- with the number 0.
-- +goose StatementBegin
do $$
declare
    f   regprocedure;
    r   record;
    def text;
begin
    select p.oid into strict f from pg_proc p where p.pronamespace = 'es'::regnamespace and p.proname = 'append_numbered';
    def := pg_get_functiondef(f);
    for r in
        select * from (values
            ('if not v_refused <@ v_without then', 'if not (v_refused <@ v_without and v_without <@ v_refused) then'),
            ('a command has a number that it must not have', 'a command has a number that it must not have, or has none'),
            ('v_without := v_without || v_refused;', 'v_without := v_refused;')) r(find, put)
    loop
        if strpos(def, r.find) = 0 or strpos(replace(def, r.find, ''), r.find) > 0 then
            raise exception 'the function % is not as this step expects it', f;
        end if;
        def := replace(def, r.find, r.put);
    end loop;
    execute def; -- its owner and rights stay
end $$;
-- +goose StatementEnd

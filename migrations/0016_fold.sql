-- +goose Up

-- crm.fold returns a text as contains and starts_with compare it: whatever the
-- case, by full case folding (Unicode 3.13) as far as it goes beyond lower(), and
-- with one i for those of English and of Turkish. It has no search_path of its own,
-- so that it can become a part of the statement that calls it.
create function crm.fold(t text) returns text
    language sql immutable parallel safe
    return translate(replace(
        case when t ~ '[ßẞŉǰևﬀﬁﬂﬃﬄﬅﬆﬓﬔﬕﬖﬗ]' then
            replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(lower(t),
                'ß', 'ss'), 'ŉ', 'ʼn'), U&'\01f0', U&'j\030c'), 'և', 'եւ'), 'ﬀ', 'ff'), 'ﬁ', 'fi'), 'ﬂ', 'fl'), 'ﬃ', 'ffi'), 'ﬄ', 'ffl'),
                'ﬅ', 'st'), 'ﬆ', 'st'), 'ﬓ', 'մն'), 'ﬔ', 'մե'), 'ﬕ', 'մի'), 'ﬖ', 'վն'), 'ﬗ', 'մխ')
        else lower(t) end, U&'i\0307', 'i'),
        U&'\0131\017f\00b5\03c2\03d0\03d1\03d5\03d6\03f0\03f1\03f5\1c80\1c81\1c82\1c83\1c84\1c85\1c86\1c87\1c88\1e9b\1fbe\0345',
        U&'i\0073\03bc\03c3\03b2\03b8\03c6\03c0\03ba\03c1\03b5\0432\0434\043e\0441\0442\0442\044a\0463\a64b\1e61\03b9\03b9');
alter function crm.fold(text) owner to rowhouse_owner;
revoke all on function crm.fold(text) from public;
grant execute on function crm.fold(text) to rowhouse_reader;

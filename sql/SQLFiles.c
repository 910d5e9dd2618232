#include "CSQLFiles.h"

/* With #embed (C23, 6.10.4), since an array of 190,000 literals keeps the Swift compiler busy for two minutes. */

const char *sql_file_schema(void) {
    static const unsigned char text[] = {
#embed "schema.sql"
        , 0};
    return (const char *)text;
}

const char *sql_file_migration_2(void) {
    static const unsigned char text[] = {
#embed "migrations/0002.sql"
        , 0};
    return (const char *)text;
}

const char *sql_file_migration_3(void) {
    static const unsigned char text[] = {
#embed "migrations/0003.sql"
        , 0};
    return (const char *)text;
}

#ifndef CSQLFILES_H
#define CSQLFILES_H

/* The SQL files of this folder, held in the binary so that it needs no file at run time. Each is UTF-8, ends with a zero,
   and lives as long as the process. */

/* The whole current schema: schema.sql. */
const char *sql_file_schema(void);

/* What takes a database from the version before to this one: migrations/0002.sql and 0003.sql. */
const char *sql_file_migration_2(void);
const char *sql_file_migration_3(void);

#endif

#ifndef CCONSOLEFILES_H
#define CCONSOLEFILES_H

/* The files of the web console, held in the binary so that it needs no file at run time. Each is UTF-8, ends with a zero,
   and lives as long as the process. */

/* The style sheet: console.css. */
const char *console_file_style(void);

/* The script, without which every page works: console.js. */
const char *console_file_script(void);

#endif

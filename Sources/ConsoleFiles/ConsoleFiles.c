#include "CConsoleFiles.h"

const char *console_file_style(void) {
    static const unsigned char text[] = {
#embed "console.css"
        , 0};
    return (const char *)text;
}

const char *console_file_script(void) {
    static const unsigned char text[] = {
#embed "console.js"
        , 0};
    return (const char *)text;
}

/// Values that programs forget.
module Noisy.Reliability.Extremes

/// Numbers as text.
let numbers =
    [| "0"; "-0"; "1"; "-1"; "2"; "3"; "7"; "255"; "256"; "65535"; "65536"
       "2147483647"; "2147483648"; "-2147483648"; "4294967295"; "4294967296"
       "4611686018427387904"; "9223372036854775807"; "9223372036854775808"; "-9223372036854775808"; "18446744073709551615"; "18446744073709551616"
       "99999999999999999999999999"; "1e5"; "1e308"; "1e999"; "-1e999"; "1e-400"; "0.1"; "1.5"
       "NaN"; "Infinity"; "-Infinity"; "+5"; "1,5"; "1_000"; "0x10"; "١"; "" |]

/// What may stand for a value of JSON.
let leaves =
    Array.append
        [| "null"; "true"; "false"; "\"\""; "\"\\ud800\""; "\"\\udc00\\ud800\""; "\"\\u0000\""; "\"NaN\""; "\"Infinity\""; "\"\\ufeff\""
           "[]"; "{}"; "[null]"; "{\"\":null}"; "\"0\""; "[0,4611686018427387904,8]"; "[-1,-1]"; "[2147483647,2147483647,4]"; "[65536,65536,65536,65536]"
           "\"F32\""; "\"F64\""; "\"F16\""; "\"BF16\""; "\"F8_E4M3\""; "\"F8_E5M2\""; "\"U8\""; "\"U16\""; "\"U32\""; "\"U64\""
           "\"I8\""; "\"I64\""; "\"BOOL\"" |]
        numbers

/// Pieces of text.
let pieces =
    [| "\uFEFF"; "\u0000"; "\n"; "\r"; "\r\n"; "\t"; " "; "\u00A0"; "\u2028"; "\u200B"; "\""; "'"; "\\"; "\\ud800"
       "#"; "#0\t"; ","; "("; ")"; "|"; "="; "/"; ".."; "<script>"
       "😀"; "é"; "e\u0301"; "ﬀ"; "İ"; "null"; "true"; "inf"; "then(1,"; "every(0)"; "by results"; "over 9223372036854775807" |]

/// Numbers as bytes, little-endian and big-endian.
let words =
    let both (value: int64) size =
        let little = Array.init size (fun i -> byte (value >>> (8 * i)))
        [ little; Array.rev little ]

    let values =
        [ 0L; 1L; -1L; 2L; 127L; 128L; 255L; 65535L; 65536L; 2147483647L; 2147483648L; 4294967295L; 4294967296L
          1L <<< 62; System.Int64.MaxValue; System.Int64.MinValue ]

    [| for value in values do
           for size in [ 1; 2; 4; 8 ] do
               yield! both value size |]

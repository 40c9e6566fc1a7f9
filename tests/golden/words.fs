\ Made by `jitduel export` from "-e"; number of inputs: 0, stack limit: 40, call limit: 40, fuel: 100
\ gforth -d 16424 -r 16624 -m 10M program.fs

decimal
variable status  \ 1 once a run has trapped
variable fuel    \ iterations and calls that may still begin
variable calls   \ calls that may become active in addition to those that are
variable bottom  \ values that belong to the callers of the current call
create memory 10 cells allot

: trap ( line column c-addr u -- ) ." trap " type space swap 0 .r ." :" 0 .r cr 1 throw ;

\ Checks; each takes the location of the word that it guards.
: need ( n line column -- ) 2>r depth 1- bottom @ - > if 2r> s" stack underflow" trap then 2rdrop ;
: room ( limit line column -- ) 2>r depth 1- <= if 2r> s" stack overflow" trap then 2rdrop ;
: divisor ( n line column -- n ) 2>r dup 0= if 2r> s" division by zero" trap then 2rdrop ;
: address ( cell count line column -- a-addr ) 2>r over u> 0= if 2r> s" out of bounds" trap then 2rdrop cells memory + ;
: begins ( line column -- ) 2>r fuel @ 0= if 2r> s" out of fuel" trap then 2rdrop -1 fuel +! ;
: enters ( line column -- ) 2>r calls @ 0= if 2r> s" call depth exceeded" trap then 2rdrop -1 calls +! ;
: returns ( -- ) 1 calls +! ;

\ Truncated toward zero. The minimum integer divided by -1 is itself, but sm/rem would throw.
: quotient ( a b line column -- c ) divisor dup -1 = if drop negate else >r s>d r> sm/rem nip then ;
: remainder ( a b line column -- c ) divisor dup -1 = if 2drop 0 else >r s>d r> sm/rem drop then ;

\ Stores x over the value that is then k below the top. The stack grows downward in memory.
: put ( … x k -- … ) 2 + cells sp@ + ! ;

: show ( … -- ) depth begin dup 0> while dup pick 0 .r 1- dup if space then repeat drop cr clearstack ;

\ Runs a program and prints its line. Any other exception is a bug in the translation, so it is rethrown.
: run ( inputs xt -- ) 0 bottom ! catch dup 1 = if 1 status ! clearstack else throw show then ;

defer program_2
\ store ( 2 -- 0 )
: program_0
  0 + 10 2 24 address !
;

\ last ( 3 -- 1 )
: program_1
  bottom @ >r depth 3 - bottom !
  ( times ) >r begin r@ 0> while
    3 23 begins 1 3 29 need drop
  r> 1- >r repeat rdrop
  2 3 38 need swap drop r> bottom !
;

\ up ( 1 -- 1 )
: program_3
  dup 2 - 5 25 begins 5 25 enters 39 5 25 room program_2 returns max
;

\ down ( 1 -- 1 )
:noname
  dup 1 < negate
  if
    exit
  then
  3
  ( times ) 0 max 0 ?do
    4 41 begins 1 - dup 0 < negate
    if
      unloop exit
    then
    dup
    if
      4 78 begins 4 78 enters 39 4 78 room program_3 returns
    else
      leave
    then
  loop
; is program_2

: program
  $64 fuel ! 40 calls ! memory 10 cells erase 5 0 6 5 begins 6 5 enters program_0 returns 8 0
  10 6 16 address @ 0 6 20 begins 6 20 enters program_1 returns 6 25 begins 6 25 enters 39 6 25 room
  program_2 returns 0 0 100 6 39 begins 6 39 enters 39 6 39 room program_3 returns
;

' program run
status @ (bye)

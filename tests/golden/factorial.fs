\ Made by `jitduel export` from "-e"; number of inputs: 1, stack limit: 65536, call limit: 10000, fuel: no limit
\ gforth -d 81920 -r 16384 -m 9M program.fs

decimal
variable status  \ 1 once a run has trapped
variable fuel    \ iterations and calls that may still begin
variable calls   \ calls that may become active in addition to those that are
variable bottom  \ values that belong to the callers of the current call
create memory 0 cells allot

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

: program
  1 swap 1 swap
  ( times ) >r begin r@ 0> while
    tuck * swap 1 +
  r> 1- >r repeat rdrop
  drop
;

20 ' program run
status @ (bye)

# The command. dejavu-rank and dejavu-stdio are found beside it when it runs.
PROGRAMS += dejavu
dejavu_SRCS := $(wildcard framework/cli/*.c)
dejavu_LIBS := dvcontrol dvcapturestrategies dvprotocolstrategies dvstore dvimage dvcommon -lyaml -lxxhash -lm -pthread

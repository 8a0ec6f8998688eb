# Strategies: the two axes, and the suites that every strategy must pass.
-include strategies/capture/module.mk
-include strategies/protocol/module.mk
-include strategies/tests/module.mk

# What a module.mk may say (paths are relative to the top of the tree):
#
#   PROGRAMS   += name     -> $(O)/bin/name        UNIT_TESTS += name -> $(O)/tests/name (run by check-unit)
#   TEST_PROGRAMS += name  -> $(O)/tests/name (a helper of the MPI and end-to-end tests, not run by itself)
#   ARCHIVES   += name     -> $(O)/lib/libname.a   SHARED += name.so.N -> $(O)/lib/name.so.N
#   name_SRCS := a.c b.S   name_CPPFLAGS, name_CFLAGS, name_LDFLAGS, name_LIBS (in link order; archives by their
#   name: dvimage), name_CC (the linker driver, $(CC) by default), name_DEPS (files that must be there before compiling)
#
# Two targets may compile one source with different flags: objects live in $(O)/obj/<target>/.
PROGRAMS :=
TEST_PROGRAMS :=
UNIT_TESTS :=
ARCHIVES :=
SHARED :=

# $(call dv_objects,target)
dv_objects = $(patsubst %,$(O)/obj/$(1)/%.o,$(basename $($(1)_SRCS)))
# Words of name_LIBS that name an archive of ours become its path.
# Behind them come the libraries that the archives themselves need (archive_SYSTEM).
dv_libs = $(foreach l,$($(1)_LIBS),$(if $(filter $(l),$(ARCHIVES)),$(O)/lib/lib$(l).a,$(l))) \
          $(foreach l,$($(1)_LIBS),$($(l)_SYSTEM))
dv_lib_files = $(foreach l,$($(1)_LIBS),$(if $(filter $(l),$(ARCHIVES)),$(O)/lib/lib$(l).a))

define dv_compile_rules
$$(O)/obj/$(1)/%.o: %.c $$($(1)_DEPS)
	@mkdir -p $$(@D)
	$$(if $$(V),,@echo "  CC      $$<")
	$$(Q)$$(or $$($(1)_CC),$$(CC)) $$(DV_CPPFLAGS) $$($(1)_CPPFLAGS) $$(DV_CFLAGS) $$($(1)_CFLAGS) -MMD -MP -c $$< -o $$@
$$(O)/obj/$(1)/%.o: %.S $$($(1)_DEPS)
	@mkdir -p $$(@D)
	$$(if $$(V),,@echo "  AS      $$<")
	$$(Q)$$(CC) $$(DV_CPPFLAGS) $$($(1)_CPPFLAGS) -MMD -MP -c $$< -o $$@
$$(O)/obj/$(1)/%.o: $$(O)/gen/%.c $$($(1)_DEPS)
	@mkdir -p $$(@D)
	$$(if $$(V),,@echo "  CC      $$<")
	$$(Q)$$(or $$($(1)_CC),$$(CC)) $$(DV_CPPFLAGS) $$($(1)_CPPFLAGS) $$(DV_CFLAGS) $$($(1)_CFLAGS) -MMD -MP -c $$< -o $$@
-include $$(patsubst %.o,%.d,$$(call dv_objects,$(1)))
endef

# $(1) target, $(2) output file, $(3) extra link flags
define dv_link_rules
$(call dv_compile_rules,$(1))
$(2): $$(call dv_objects,$(1)) $$(call dv_lib_files,$(1)) $$($(1)_LINK_DEPS)
	@mkdir -p $$(@D)
	$$(if $$(V),,@echo "  LINK    $$@")
	$$(Q)$$(or $$($(1)_CC),$$(CC)) $$(DV_CFLAGS) $(3) $$($(1)_LDFLAGS) $$(call dv_objects,$(1)) $$(call dv_libs,$(1)) -o $$@
endef

define dv_archive_rules
$(call dv_compile_rules,$(1))
$$(O)/lib/lib$(1).a: $$(call dv_objects,$(1))
	@mkdir -p $$(@D)
	$$(if $$(V),,@echo "  AR      $$@")
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
endef

define dv_generate_rules
$(foreach a,$(ARCHIVES),$(eval $(call dv_archive_rules,$(a))))
$(foreach s,$(SHARED),$(eval $(call dv_link_rules,$(s),$(O)/lib/$(s),-shared)))
$(foreach p,$(PROGRAMS),$(eval $(call dv_link_rules,$(p),$(O)/bin/$(p),)))
$(foreach p,$(TEST_PROGRAMS) $(UNIT_TESTS),$(eval $(call dv_link_rules,$(p),$(O)/tests/$(p),)))
endef

! Fortran on top of the distribution's libmpichfort: attributes and callbacks in Fortran, user operations, derived types,
! MPI_BOTTOM, MPI_IN_PLACE, MPI_STATUS_IGNORE, weights, error handlers. Prints "fortran: ok" from rank 0.
module callbacks
  implicit none
  include 'mpif.h'
  integer :: copies = 0, deletes = 0, errors = 0
contains
  subroutine copy_attribute(comm, keyval, extra, val_in, val_out, flag, ierror)
    integer :: comm, keyval, ierror
    integer(kind=MPI_ADDRESS_KIND) :: extra, val_in, val_out
    logical :: flag
    copies = copies + 1
    if (extra /= 99) call fail('extra state')
    val_out = val_in + 1
    flag = .true.
    ierror = MPI_SUCCESS
  end subroutine

  subroutine delete_attribute(comm, keyval, val, extra, ierror)
    integer :: comm, keyval, ierror
    integer(kind=MPI_ADDRESS_KIND) :: val, extra
    deletes = deletes + 1
    ierror = MPI_SUCCESS
  end subroutine

  subroutine add(in, inout, n, type)
    integer :: n, type, i
    integer :: in(n), inout(n)
    do i = 1, n
      inout(i) = inout(i) + in(i)
    end do
  end subroutine

  subroutine on_error(comm, code)
    integer :: comm, code
    errors = errors + 1
  end subroutine

  subroutine fail(what)
    character(len=*) :: what
    integer :: ierr
    write (0, *) 'fortran: failed: ', what
    call MPI_Abort(MPI_COMM_WORLD, 1, ierr)
  end subroutine
end module

program fortran
  use callbacks
  implicit none
  integer :: rank, size, ierr, comm, other, keyval, op, type, handler, request, n, block, address(1)
  integer :: status(MPI_STATUS_SIZE), sum, sources(1), destinations(1), graph, in, out, cart, w_in(1), w_out(1)
  integer :: numbers(10), old_key, old_value
  integer(kind=MPI_ADDRESS_KIND) :: value, extra, displacement(1)
  logical :: flag, weighted, periods(1)

  call MPI_Init(ierr)
  call MPI_Comm_rank(MPI_COMM_WORLD, rank, ierr)
  call MPI_Comm_size(MPI_COMM_WORLD, size, ierr)

  extra = 99
  value = 41
  call MPI_Comm_create_keyval(copy_attribute, delete_attribute, keyval, extra, ierr)
  call MPI_Comm_dup(MPI_COMM_WORLD, comm, ierr)
  call MPI_Comm_set_attr(comm, keyval, value, ierr)
  call MPI_Comm_dup(comm, other, ierr)
  call MPI_Comm_get_attr(other, keyval, value, flag, ierr)
  if (.not. flag .or. value /= 42 .or. copies /= 1) call fail('attribute of a duplicate')
  call MPI_Comm_free(other, ierr)
  if (deletes /= 1) call fail('attribute deleted')
  call MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, value, flag, ierr)
  if (.not. flag .or. value < 32767) call fail('MPI_TAG_UB')
  call MPI_Keyval_create(MPI_DUP_FN, MPI_NULL_DELETE_FN, old_key, 0, ierr)
  call MPI_Attr_put(comm, old_key, 17, ierr)
  call MPI_Comm_dup(comm, other, ierr)
  call MPI_Attr_get(other, old_key, old_value, flag, ierr)
  if (.not. flag .or. old_value /= 17) call fail('attribute by MPI_DUP_FN')
  call MPI_Comm_free(other, ierr)

  call MPI_Op_create(add, .true., op, ierr)
  call MPI_Allreduce(rank, sum, 1, MPI_INTEGER, op, MPI_COMM_WORLD, ierr)
  if (sum /= size * (size - 1) / 2) call fail('user operation')
  sum = rank
  call MPI_Allreduce(MPI_IN_PLACE, sum, 1, MPI_INTEGER, MPI_SUM, comm, ierr)
  if (sum /= size * (size - 1) / 2) call fail('MPI_IN_PLACE')
  call MPI_Op_free(op, ierr)

  numbers = rank
  call MPI_Get_address(numbers, displacement(1), ierr)
  call MPI_Type_create_hindexed(1, (/ 10 /), displacement, MPI_INTEGER, type, ierr)
  call MPI_Type_commit(type, ierr)
  call MPI_Bcast(MPI_BOTTOM, 1, type, size - 1, MPI_COMM_WORLD, ierr)
  if (any(numbers /= size - 1)) call fail('MPI_BOTTOM')
  call MPI_Type_free(type, ierr)

  call MPI_Isend(rank, 1, MPI_INTEGER, mod(rank + 1, size), 4, comm, request, ierr)
  call MPI_Recv(n, 1, MPI_INTEGER, mod(rank + size - 1, size), 4, comm, MPI_STATUS_IGNORE, ierr)
  call MPI_Wait(request, status, ierr)
  if (n /= mod(rank + size - 1, size)) call fail('message')

  sources(1) = mod(rank + size - 1, size)
  destinations(1) = mod(rank + 1, size)
  call MPI_Dist_graph_create_adjacent(comm, 1, sources, MPI_UNWEIGHTED, 1, destinations, MPI_UNWEIGHTED, &
                                      MPI_INFO_NULL, .false., graph, ierr)
  call MPI_Dist_graph_neighbors_count(graph, in, out, weighted, ierr)
  if (in /= 1 .or. out /= 1 .or. weighted) call fail('MPI_UNWEIGHTED')
  call MPI_Comm_free(graph, ierr)
  periods(1) = .true.
  call MPI_Cart_create(MPI_COMM_WORLD, 1, (/ size /), periods, .false., cart, ierr)
  call MPI_Cart_shift(cart, 0, 1, in, out, ierr)
  if (in /= sources(1) .or. out /= destinations(1)) call fail('cart')
  call MPI_Comm_free(cart, ierr)

  call MPI_Comm_create_errhandler(on_error, handler, ierr)
  call MPI_Comm_set_errhandler(comm, handler, ierr)
  call MPI_Bcast(numbers, -1, MPI_INTEGER, 0, comm, ierr)
  if (ierr == MPI_SUCCESS .or. errors /= 1) call fail('error handler')
  call MPI_Errhandler_free(handler, ierr)
  call MPI_Comm_free(comm, ierr)
  if (deletes /= 3) call fail('attribute deleted last')
  call MPI_Finalize(ierr)
  if (rank == 0) print *, 'fortran: ok'
end program

! heatf: the heat equation on a rectangle, in Fortran, as a test of MPI's Fortran bindings.
!
!   mpiexec -n N heatf [iterations [log file]]
!
! It uses what Fortran programs use: communicators by split, a Cartesian grid, vector, indexed and struct
! datatypes, an operation of its own, messages without blocking, allocatable arrays that change places, and
! Fortran's own output. The last line is DIGEST and 16 hexadecimal digits: equal for equal numbers of
! iterations and ranks, whatever happened to the run in between.
module heatf_field
    use mpi
    use, intrinsic :: iso_fortran_env, only: int64, real64, output_unit, error_unit
    implicit none
    private
    public :: field, statistics, field_create, field_free, field_step, field_statistics, field_digest, &
              field_gather_probes, probe_count

    integer, parameter :: points_x = 640, points_y = 512  ! of the whole domain, without the rim
    integer, parameter :: probe_count = 8                 ! of each rank, sent to rank 0 now and then
    integer, parameter :: tag_west = 1, tag_east = 2, tag_south = 3, tag_north = 4, tag_probe = 5
    real(real64), parameter :: rate = 0.2_real64

    ! u(0:nx+1, 0:ny+1): own points and one layer of the neighbours'. x is contiguous.
    type :: field
        integer :: nx = 0, ny = 0, first_x = 0, first_y = 0
        integer :: cart = MPI_COMM_NULL, row = MPI_COMM_NULL
        integer :: rank = 0, nranks = 1, west = 0, east = 0, south = 0, north = 0
        integer :: column_type = MPI_DATATYPE_NULL, probe_type = MPI_DATATYPE_NULL
        integer :: statistics_type = MPI_DATATYPE_NULL, merge_op = MPI_OP_NULL
        real(real64), allocatable :: u(:, :), next(:, :)
    end type

    ! Reduced as one element of a struct datatype.
    type :: statistics
        sequence
        real(real64) :: total, lowest, highest
        integer :: cells, ranks
    end type

contains

    subroutine field_create(world, f)
        integer, intent(in) :: world
        type(field), intent(out) :: f
        integer :: dims(2), coords(2), reversed, rank, ierror

        ! The grid is laid on a communicator with the ranks in reverse order, made by a split.
        call MPI_Comm_rank(world, rank, ierror)
        call MPI_Comm_size(world, f%nranks, ierror)
        call MPI_Comm_split(world, 0, -rank, reversed, ierror)
        dims = 0
        call MPI_Dims_create(f%nranks, 2, dims, ierror)
        call MPI_Cart_create(reversed, 2, dims, [.false., .false.], .true., f%cart, ierror)
        call MPI_Comm_free(reversed, ierror)
        call MPI_Comm_rank(f%cart, f%rank, ierror)
        call MPI_Cart_coords(f%cart, f%rank, 2, coords, ierror)
        call MPI_Cart_shift(f%cart, 0, 1, f%south, f%north, ierror)
        call MPI_Cart_shift(f%cart, 1, 1, f%west, f%east, ierror)
        call MPI_Comm_split(f%cart, coords(1), coords(2), f%row, ierror)

        call share(points_x, dims(2), coords(2), f%first_x, f%nx)
        call share(points_y, dims(1), coords(1), f%first_y, f%ny)
        allocate (f%u(0:f%nx + 1, 0:f%ny + 1), f%next(0:f%nx + 1, 0:f%ny + 1))
        call set_initial(f)
        call create_types(f)
    end subroutine

    subroutine share(total, parts, part, first, count)
        integer, intent(in) :: total, parts, part
        integer, intent(out) :: first, count
        first = total * part / parts
        count = total * (part + 1) / parts - first
    end subroutine

    subroutine set_initial(f)
        type(field), intent(inout) :: f
        integer :: i, j
        do j = 0, f%ny + 1
            do i = 0, f%nx + 1
                f%u(i, j) = real(mod(7 * (i + f%first_x) + 13 * (j + f%first_y), 101), real64)
            end do
        end do
        f%next = f%u
    end subroutine

    subroutine create_types(f)
        type(field), intent(inout) :: f
        integer :: lengths(probe_count), places(probe_count), i, ierror
        integer :: block_lengths(2), block_types(2)
        integer(kind=MPI_ADDRESS_KIND) :: offsets(2)

        call MPI_Type_vector(f%ny, 1, f%nx + 2, MPI_DOUBLE_PRECISION, f%column_type, ierror)
        call MPI_Type_commit(f%column_type, ierror)
        ! Probes lie on a diagonal of the block, each a pair of neighbouring points but the first.
        do i = 1, probe_count
            places(i) = (i * f%ny / (probe_count + 1)) * (f%nx + 2) + i * f%nx / (probe_count + 1)
            lengths(i) = merge(1, 2, i == 1)
        end do
        call MPI_Type_indexed(probe_count, lengths, places, MPI_DOUBLE_PRECISION, f%probe_type, ierror)
        call MPI_Type_commit(f%probe_type, ierror)

        block_lengths = [3, 2]
        offsets = [0, 3 * storage_size(rate) / 8]
        block_types = [MPI_DOUBLE_PRECISION, MPI_INTEGER]
        call MPI_Type_create_struct(2, block_lengths, offsets, block_types, f%statistics_type, ierror)
        call MPI_Type_commit(f%statistics_type, ierror)
        call MPI_Op_create(merge_statistics, .true., f%merge_op, ierror)
    end subroutine

    subroutine field_free(f)
        type(field), intent(inout) :: f
        integer :: ierror
        call MPI_Op_free(f%merge_op, ierror)
        call MPI_Type_free(f%statistics_type, ierror)
        call MPI_Type_free(f%probe_type, ierror)
        call MPI_Type_free(f%column_type, ierror)
        call MPI_Comm_free(f%row, ierror)
        call MPI_Comm_free(f%cart, ierror)
        deallocate (f%u, f%next)
    end subroutine

    ! The inner points are computed while the rim travels.
    subroutine field_step(f)
        type(field), intent(inout) :: f
        integer :: requests(8), ierror
        real(real64), allocatable :: former(:, :)

        call start_exchange(f, requests)
        call update(f, 2, f%nx - 1, 2, f%ny - 1)
        call MPI_Waitall(8, requests, MPI_STATUSES_IGNORE, ierror)
        call update(f, 1, f%nx, 1, 1)
        call update(f, 1, f%nx, f%ny, f%ny)
        call update(f, 1, 1, 2, f%ny - 1)
        call update(f, f%nx, f%nx, 2, f%ny - 1)
        call move_alloc(f%u, former)
        call move_alloc(f%next, f%u)
        call move_alloc(former, f%next)
        call keep_rim(f)
    end subroutine

    subroutine start_exchange(f, requests)
        type(field), intent(inout) :: f
        integer, intent(out) :: requests(8)
        integer :: nx, ny, ierror

        nx = f%nx
        ny = f%ny
        call MPI_Irecv(f%u(0, 1), 1, f%column_type, f%west, tag_east, f%cart, requests(1), ierror)
        call MPI_Irecv(f%u(nx + 1, 1), 1, f%column_type, f%east, tag_west, f%cart, requests(2), ierror)
        call MPI_Irecv(f%u(1, 0), nx, MPI_DOUBLE_PRECISION, f%south, tag_north, f%cart, requests(3), ierror)
        call MPI_Irecv(f%u(1, ny + 1), nx, MPI_DOUBLE_PRECISION, f%north, tag_south, f%cart, requests(4), ierror)
        call MPI_Isend(f%u(1, 1), 1, f%column_type, f%west, tag_west, f%cart, requests(5), ierror)
        call MPI_Isend(f%u(nx, 1), 1, f%column_type, f%east, tag_east, f%cart, requests(6), ierror)
        call MPI_Isend(f%u(1, 1), nx, MPI_DOUBLE_PRECISION, f%south, tag_south, f%cart, requests(7), ierror)
        call MPI_Isend(f%u(1, ny), nx, MPI_DOUBLE_PRECISION, f%north, tag_north, f%cart, requests(8), ierror)
    end subroutine

    subroutine update(f, first_x, last_x, first_y, last_y)
        type(field), intent(inout) :: f
        integer, intent(in) :: first_x, last_x, first_y, last_y
        integer :: i, j
        do j = first_y, last_y
            do i = first_x, last_x
                f%next(i, j) = f%u(i, j) + rate * (f%u(i - 1, j) + f%u(i + 1, j) + f%u(i, j - 1) &
                                                   + f%u(i, j + 1) - 4.0_real64 * f%u(i, j))
            end do
        end do
    end subroutine

    ! The outer boundary is fixed: the array that becomes the next one needs it too.
    subroutine keep_rim(f)
        type(field), intent(inout) :: f
        if (f%west == MPI_PROC_NULL) f%u(0, :) = f%next(0, :)
        if (f%east == MPI_PROC_NULL) f%u(f%nx + 1, :) = f%next(f%nx + 1, :)
        if (f%south == MPI_PROC_NULL) f%u(:, 0) = f%next(:, 0)
        if (f%north == MPI_PROC_NULL) f%u(:, f%ny + 1) = f%next(:, f%ny + 1)
    end subroutine

    subroutine merge_statistics(in, inout, count, datatype)
        integer, intent(in) :: count, datatype
        type(statistics), intent(in) :: in(count)
        type(statistics), intent(inout) :: inout(count)
        integer :: i
        if (datatype == MPI_DATATYPE_NULL) return
        do i = 1, count
            inout(i)%total = in(i)%total + inout(i)%total
            inout(i)%lowest = min(in(i)%lowest, inout(i)%lowest)
            inout(i)%highest = max(in(i)%highest, inout(i)%highest)
            inout(i)%cells = in(i)%cells + inout(i)%cells
            inout(i)%ranks = in(i)%ranks + inout(i)%ranks
        end do
    end subroutine

    ! The whole field's statistics, and the sum over this rank's row of ranks by a built-in operation.
    subroutine field_statistics(f, all, row_total)
        type(field), intent(in) :: f
        type(statistics), intent(out) :: all
        real(real64), intent(out) :: row_total
        type(statistics) :: mine
        integer :: ierror

        associate (own => f%u(1:f%nx, 1:f%ny))
            mine = statistics(sum(own), minval(own), maxval(own), size(own), 1)
        end associate
        call MPI_Allreduce(mine, all, 1, f%statistics_type, f%merge_op, f%cart, ierror)
        call MPI_Allreduce(mine%total, row_total, 1, MPI_DOUBLE_PRECISION, MPI_SUM, f%row, ierror)
    end subroutine

    ! Every rank's probes, in rank order, on rank 0; sent with the indexed type, received as plain numbers.
    subroutine field_gather_probes(f, probes)
        type(field), intent(in) :: f
        real(real64), allocatable, intent(out) :: probes(:, :)
        integer :: rank, request, ierror

        allocate (probes(2 * probe_count - 1, f%nranks))
        call MPI_Isend(f%u, 1, f%probe_type, 0, tag_probe, f%cart, request, ierror)
        if (f%rank == 0) then
            do rank = 0, f%nranks - 1
                call MPI_Recv(probes(:, rank + 1), 2 * probe_count - 1, MPI_DOUBLE_PRECISION, rank, tag_probe, &
                              f%cart, MPI_STATUS_IGNORE, ierror)
            end do
        end if
        call MPI_Wait(request, MPI_STATUS_IGNORE, ierror)
    end subroutine

    ! Marsaglia's xorshift after each number: no step loses information, no step can overflow.
    pure function mix(digest, bits) result(mixed)
        integer(int64), intent(in) :: digest, bits
        integer(int64) :: mixed
        mixed = ieor(digest, bits)
        mixed = ieor(mixed, ishft(mixed, 13))
        mixed = ieor(mixed, ishft(mixed, -7))
        mixed = ieor(mixed, ishft(mixed, 17))
    end function

    ! The digest of all ranks' points in rank order; on rank 0 of the grid and, by broadcast, everywhere.
    function field_digest(f) result(digest)
        type(field), intent(in) :: f
        integer(int64) :: digest, mine
        integer(int64), allocatable :: all(:)
        integer :: i, j, ierror

        mine = int(z'2545F4914F6CDD1D', int64)
        do j = 1, f%ny
            do i = 1, f%nx
                mine = mix(mine, transfer(f%u(i, j), mine))
            end do
        end do
        allocate (all(f%nranks))
        call MPI_Gather(mine, 1, MPI_INTEGER8, all, 1, MPI_INTEGER8, 0, f%cart, ierror)
        digest = 0
        if (f%rank == 0) then
            do i = 1, f%nranks
                digest = mix(digest, all(i))
            end do
        end if
        call MPI_Bcast(digest, 1, MPI_INTEGER8, 0, f%cart, ierror)
    end function

end module

program heatf
    use mpi
    use heatf_field
    use, intrinsic :: iso_fortran_env, only: int64, real64, output_unit, error_unit
    implicit none

    integer, parameter :: default_iterations = 10000, reports = 10
    integer :: rank, iterations, iteration, every, log_unit, ierror
    integer(int64) :: digest
    character(len=256) :: log_name
    type(field) :: f

    call MPI_Init(ierror)
    call MPI_Comm_rank(MPI_COMM_WORLD, rank, ierror)
    call read_arguments(rank, iterations, log_name)
    log_unit = output_unit
    if (rank == 0 .and. len_trim(log_name) > 0) then
        open (newunit=log_unit, file=trim(log_name), action='write', status='replace')
    end if

    call field_create(MPI_COMM_WORLD, f)
    every = max(1, iterations / reports)
    do iteration = 1, iterations
        call field_step(f)
        if (mod(iteration, every) == 0) call report(f, iteration, rank, log_unit)
    end do
    digest = field_digest(f)
    call field_free(f)
    if (rank == 0) then
        if (log_unit /= output_unit) close (log_unit)
        write (output_unit, '(a,i0,a)') ' heatf: ', iterations, ' iterations done'
        write (output_unit, '(a,z16.16)') 'DIGEST ', digest
        flush (output_unit)
    end if
    call MPI_Finalize(ierror)

contains

    subroutine read_arguments(rank, iterations, log_name)
        integer, intent(in) :: rank
        integer, intent(out) :: iterations
        character(len=*), intent(out) :: log_name
        character(len=32) :: text
        integer :: status, ierror

        iterations = default_iterations
        log_name = ''
        status = 0
        if (command_argument_count() >= 1) then
            call get_command_argument(1, text)
            read (text, *, iostat=status) iterations
            if (iterations < 1) status = 1
        end if
        if (command_argument_count() >= 2) call get_command_argument(2, log_name)
        if (status /= 0 .or. command_argument_count() > 2) then
            if (rank == 0) write (error_unit, '(a)') 'heatf: usage: heatf [iterations [log file]]'
            call MPI_Finalize(ierror)
            stop 2, quiet=.true.
        end if
    end subroutine

    subroutine report(f, iteration, rank, log_unit)
        type(field), intent(in) :: f
        integer, intent(in) :: iteration, rank, log_unit
        type(statistics) :: all
        real(real64) :: row_total, probe_total
        integer(int64) :: bits
        real(real64), allocatable :: probes(:, :)
        integer :: ierror

        call field_statistics(f, all, row_total)
        call field_gather_probes(f, probes)
        probe_total = 0
        if (f%rank == 0) probe_total = sum(probes)
        bits = transfer(probe_total, bits)
        call MPI_Bcast(bits, 1, MPI_INTEGER8, 0, f%cart, ierror)
        probe_total = transfer(bits, probe_total)
        if (rank /= 0) return
        write (log_unit, '(i8,a,f10.6,a,f10.6,a,f10.6,a,es22.15,a,es22.15,a,i0,a)') iteration, &
            ': mean ', all%total / all%cells, ' lowest ', all%lowest, ' highest ', all%highest, &
            ' row ', row_total, ' probes ', probe_total, ' (', all%ranks, ' ranks)'
        flush (log_unit)
    end subroutine

end program

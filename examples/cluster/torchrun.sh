#!/bin/sh
# Learn on several machines that see the same folder. Run it on each of them, with its number, from 0, as NODE:
#   NODES=2 NODE=0 HEAD=10.0.0.1 PORT=29500 sh torchrun.sh data.json model.pt trainer=ddp
# HEAD is the address of the machine with number 0, PORT a free port there, DEVICES the devices of each machine.
set -eu
: "${NODES:?how many machines}" "${NODE:?the number of this one, from 0}" "${HEAD:?the address of machine 0}"
exec "${PYTHON:-python3}" -m torch.distributed.run \
    --nnodes "$NODES" --node-rank "$NODE" --nproc-per-node "${DEVICES:-1}" \
    --master-addr "$HEAD" --master-port "${PORT:-29500}" \
    -m hachimachi.cli train "$@" "trainer.num_nodes=$NODES" "trainer.devices=${DEVICES:-1}"

#!/bin/bash
# Learn on two machines of a SLURM cluster, four GPUs each: sbatch slurm.sh data.json model.pt
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=4
#SBATCH --time=01:00:00
set -eu
# one process a device; Lightning finds the others by what SLURM says
exec srun "${PYTHON:-python3}" -m hachimachi.cli train "$@" trainer=ddp trainer.accelerator=cuda \
    "trainer.num_nodes=$SLURM_NNODES" "trainer.devices=$SLURM_NTASKS_PER_NODE"

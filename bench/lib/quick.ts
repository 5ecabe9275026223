/** Whether the benchmark was started with `--quick`: fewer and shorter rounds, where a benchmark has them. */
export const isQuick = process.argv.includes('--quick')

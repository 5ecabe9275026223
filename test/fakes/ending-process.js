// A program for limited processes that ends as it is told.
process.on('message', ({ how }) => {
  if (how === 'kill') process.kill(process.pid, 'SIGKILL')
  if (how === 'abort') process.abort()
  if (how === 'exit') process.exit(3)
  process.send?.(how)
})

import { once } from 'node:events'
import { createServer } from 'node:net'
import { AppError } from '../lib/errors.ts'

/** The error for a server that cannot listen, with the remedy. */
export const cannotListen = (host: string, port: number, variable: string, cause: NodeJS.ErrnoException): AppError => {
  if (cause.code === 'EADDRINUSE') {
    return new AppError('conflict', `Port ${port} of ${host} is in use by another program`, {
      hint: `Stop that one, or choose another port with ${variable}, for example ${variable}=8080 (0 takes any free one).`,
      cause,
    })
  }
  if (cause.code === 'EACCES') {
    return new AppError('invalid', `This user may not listen on port ${port}`, {
      hint: `Choose a port above 1023 with ${variable}, for example ${variable}=8080.`,
      cause,
    })
  }
  return new AppError('invalid', `The server cannot listen on ${host}: ${cause.message}`, {
    hint: 'JETTY_HOST must be an address of this machine, for example 127.0.0.1, or 0.0.0.0 for all of them.',
    cause,
  })
}

/** Throws the reason why a server could not listen there. Asked before anything is begun that would have to be undone. */
export const checkAddress = async (host: string, port: number, variable = 'JETTY_PORT'): Promise<void> => {
  const probe = createServer()
  probe.listen(port, host)
  await once(probe, 'listening').catch((error) => {
    throw cannotListen(host, port, variable, error)
  })
  const closed = once(probe, 'close')
  probe.close()
  await closed
}

import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface FaultProxy {
  url: string
  /** How many requests had each fate. */
  fates: Record<'passed' | 'refused' | 'lost' | 'slow', number>
  /** Cuts every connection, and refuses new ones until `mend`. */
  cut(): void
  mend(): void
  close(): void
}

/** Numbers from 0 to 1 that are the same in each run of a test. */
const numbers = (seed: number) => () => {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
  return seed / 2_147_483_648
}

/**
 * Passes requests on to a server. Of the faulty ones a third is dropped before the server has them, a third loses its
 * answer, and a third is delayed.
 */
export const startFaultProxy = async (target: string, faulty: number, seed = 7): Promise<FaultProxy> => {
  const next = numbers(seed)
  const fates: FaultProxy['fates'] = { passed: 0, refused: 0, lost: 0, slow: 0 }
  let isCut = false
  const server: Server = createServer((incoming, outgoing) => {
    const chance = next() / faulty
    const fate = chance >= 1 ? 'passed' : chance < 1 / 3 ? 'refused' : chance < 2 / 3 ? 'lost' : 'slow'
    fates[fate] += 1
    if (fate === 'refused' || isCut) return void incoming.socket.destroy()
    const { method, headers } = incoming
    const onward = request(target + incoming.url, { method, headers }, (reply) => {
      if (fate === 'lost') return void reply.resume().once('end', () => outgoing.destroy())
      const pass = () => {
        outgoing.writeHead(reply.statusCode ?? 500, reply.headers)
        reply.pipe(outgoing)
      }
      if (fate === 'slow') setTimeout(pass, 100)
      else pass()
    })
    outgoing.on('close', () => onward.destroy())
    onward.on('error', () => outgoing.destroy())
    incoming.pipe(onward)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fates,
    cut() {
      isCut = true
      server.closeAllConnections()
    },
    mend: () => {
      isCut = false
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

import { connect as connectTo, type Socket } from 'node:net'
import { AppError, messageOf } from '../../lib/errors.ts'
import type { AllowRule } from '../../lib/net/addresses.ts'
import type { LookUp } from '../../lib/net/agent.ts'
import { addressesOf, type Destination } from './destination.ts'
import type { GatewayLimits } from './limits.ts'
import type { SandboxNetwork } from './sandbox-gateway.ts'

/** Connects to an address that was checked. */
export type Dial = (address: string, port: number) => Socket

export interface HostConnectionOptions {
  network: SandboxNetwork
  /** Hosts that the collection may reach: both lists must allow a host. */
  allowedHosts: readonly string[] | undefined
  /** Private addresses that may be reached all the same. */
  trusted?: AllowRule[]
  limits: GatewayLimits
  moved(): void
  lookup?: LookUp
  dial?: Dial
  own?: () => readonly string[]
}

/** The connections of a sandbox to hosts, and the bytes that they have moved. */
export interface HostConnections {
  /** Connects to the first checked address of a host that accepts. */
  reach(destination: Destination): Promise<Socket>
  /** Closes a connection that is silent or exceeds the limit. Returns the function to call whenever bytes move. */
  watch(socket: Socket): () => void
  close(): void
  readonly isClosed: boolean
}

const mostAddresses = 4

const usedUp = (): AppError =>
  new AppError('address_refused', 'This sandbox has used up its limit of transferred bytes')

export const makeHostConnections = (options: HostConnectionOptions): HostConnections => {
  const { limits, moved, dial = (host, port) => connectTo({ host, port, noDelay: true }) } = options
  const open = new Set<Socket>()
  let bytes = 0
  let isClosed = false

  const connect = (address: string, port: number): Promise<Socket> => {
    const socket = dial(address, port)
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    return connected(socket, limits.connectSeconds)
  }

  return {
    async reach(destination) {
      if (bytes >= limits.hostBytes) throw usedUp()
      let problem: unknown
      for (const address of (await addressesOf(destination, options)).slice(0, mostAddresses)) {
        if (isClosed) break
        try {
          return await connect(address, destination.port)
        } catch (error) {
          problem = error
        }
      }
      throw new AppError('network_failed', `'${destination.host}' cannot be reached: ${messageOf(problem)}`)
    },
    watch(socket) {
      let seen = 0
      const count = () => {
        moved()
        const now = socket.bytesRead + socket.bytesWritten
        bytes += now - seen
        seen = now
        if (bytes > limits.hostBytes) socket.destroy()
      }
      socket.once('close', count)
      socket.setTimeout(limits.insideIdleSeconds * 1000, () => socket.destroy())
      return count
    },
    close() {
      isClosed = true
      for (const socket of open) socket.destroy()
    },
    get isClosed() {
      return isClosed
    },
  }
}

const connected = (socket: Socket, seconds: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const late = () => socket.destroy(new Error('the connection was not made in time'))
    const timer = setTimeout(late, seconds * 1000)
    socket.once('close', () => {
      clearTimeout(timer)
      reject(new Error('the connection was closed'))
    })
    socket.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    socket.once('connect', () => {
      clearTimeout(timer)
      resolve(socket)
    })
  })

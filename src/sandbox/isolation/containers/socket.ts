import { statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { AppError } from '../../../lib/errors.ts'

/** Kinds of sandboxes that are containers of an engine. */
export type ContainerEngineName = 'docker' | 'podman'

interface SocketPlace {
  name: ContainerEngineName
  /** Path from the settings; undefined to search the usual places. */
  socket: string | undefined
  env: NodeJS.ProcessEnv
  isRoot: boolean
}

const scheme = 'unix://'

const isSocket = (path: string): boolean => {
  try {
    return statSync(path).isSocket()
  } catch {
    return false
  }
}

/** Reads the socket path from the engine's own variable; throws when it names another host. */
const told = (env: NodeJS.ProcessEnv, variable: string): string[] => {
  const value = env[variable]
  if (!value) return []
  if (value.startsWith(scheme) && value.length > scheme.length) return [value.slice(scheme.length)]
  if (value.startsWith('/')) return [value]
  throw new AppError('sandbox_unavailable', `${variable} names an engine that is not on this machine`, {
    hint: 'A sandbox is made of folders of this machine: set JETTY_SANDBOX_SOCKET to the socket of an engine here.',
  })
}

interface ContainerEngine {
  /** Paths where the engine usually listens, the first choice first; `own` is the runtime folder of this user, if any. */
  sockets(place: Pick<SocketPlace, 'env' | 'isRoot'>, own: readonly string[]): string[]
  hint: string
}

const engines: Readonly<Record<ContainerEngineName, ContainerEngine>> = {
  docker: {
    sockets: ({ env }, own) => [
      ...told(env, 'DOCKER_HOST'),
      ...own.map((folder) => join(folder, 'docker.sock')),
      join(homedir(), '.docker/run/docker.sock'),
      '/var/run/docker.sock',
    ],
    hint: 'Install and start Docker, or set JETTY_SANDBOX_SOCKET.',
  },
  podman: {
    sockets: ({ env, isRoot }, own) => [
      ...told(env, 'CONTAINER_HOST'),
      ...(isRoot ? [] : own.map((folder) => join(folder, 'podman/podman.sock'))),
      '/run/podman/podman.sock',
      ...own.map((folder) => join(folder, 'podman/podman.sock')),
      ...told(env, 'DOCKER_HOST'),
    ],
    hint:
      'Install Podman and start its socket: `systemctl start podman.socket`, or with --user; or set ' +
      'JETTY_SANDBOX_SOCKET.',
  },
}

/** Finds the socket of a container engine: the one from the settings, or the first usual place that has one. */
export const findSocket = ({ name, socket, ...place }: SocketPlace): string => {
  if (socket !== undefined) return socket
  const own = place.env.XDG_RUNTIME_DIR ? [place.env.XDG_RUNTIME_DIR] : []
  const { sockets, hint } = engines[name]
  const places = sockets(place, own)
  const found = places.find(isSocket)
  if (found !== undefined) return found
  const looked = [...new Set(places)].join(', ')
  throw new AppError('sandbox_unavailable', `${name} does not listen anywhere: ${looked}`, { hint })
}

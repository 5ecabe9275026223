import { statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { AppError } from '../../lib/errors.ts'

export interface SocketPlace {
  name: 'docker' | 'podman'
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

/** Finds the socket of Docker or Podman: the one from the settings, or the first usual place that has one. */
export const findSocket = ({ name, socket, env, isRoot }: SocketPlace): string => {
  if (socket !== undefined) return socket
  const own = env.XDG_RUNTIME_DIR ? [env.XDG_RUNTIME_DIR] : []
  const places =
    name === 'docker'
      ? [
          ...told(env, 'DOCKER_HOST'),
          ...own.map((folder) => join(folder, 'docker.sock')),
          join(homedir(), '.docker/run/docker.sock'),
          '/var/run/docker.sock',
        ]
      : [
          ...told(env, 'CONTAINER_HOST'),
          ...(isRoot ? [] : own.map((folder) => join(folder, 'podman/podman.sock'))),
          '/run/podman/podman.sock',
          ...own.map((folder) => join(folder, 'podman/podman.sock')),
          ...told(env, 'DOCKER_HOST'),
        ]
  const found = places.find(isSocket)
  if (found !== undefined) return found
  throw new AppError('sandbox_unavailable', `${name} does not listen anywhere: ${[...new Set(places)].join(', ')}`, {
    hint:
      name === 'docker'
        ? 'Install and start Docker, or set JETTY_SANDBOX_SOCKET.'
        : 'Install Podman and start its socket: `systemctl start podman.socket`, or with --user; or set JETTY_SANDBOX_SOCKET.',
  })
}

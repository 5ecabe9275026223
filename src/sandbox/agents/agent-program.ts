import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { AgentPackage } from './agent.ts'

/** The system that an agent runs on. */
export interface System {
  os: string
  cpu: string
}

export const thisSystem: System = { os: process.platform, cpu: process.arch }

const triples: Readonly<Record<string, string>> = {
  'linux-x64': 'x86_64-unknown-linux-musl',
  'linux-arm64': 'aarch64-unknown-linux-musl',
  'darwin-x64': 'x86_64-apple-darwin',
  'darwin-arm64': 'aarch64-apple-darwin',
}

/** Whether the processor is too old for programs built for the last ten years; agents have other builds for those. */
const isOldProcessor = (): boolean => {
  try {
    return process.arch === 'x64' && !/\bavx2\b/.test(readFileSync('/proc/cpuinfo', 'utf8'))
  } catch {
    return false
  }
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0

/** Finds the program of a package in its folder; undefined if there is none for this system. */
export const findAgentProgram = (
  { programs }: AgentPackage,
  folder: string,
  { os, cpu }: System,
): string | undefined => {
  const system = `${os}-${cpu}`
  const paths = programs.map((path) =>
    path.replaceAll('{system}', system).replaceAll('{triple}', triples[system] ?? ''),
  )
  const isBaseline = (path: string) => path.includes('-baseline')
  const ordered = isOldProcessor() ? [...paths.filter(isBaseline), ...paths.filter((path) => !isBaseline(path))] : paths
  return ordered.find((path) => sizeOf(join(folder, path)) > 0)
}

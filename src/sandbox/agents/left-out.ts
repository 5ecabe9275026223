import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isObject, parsedObject } from '../../lib/json/json-object.ts'
import type { System } from './agent-program.ts'

const fits = (list: unknown, name: string): boolean => !Array.isArray(list) || list.includes(name)

/**
 * Finds packages for this system that npm skipped. npm skips optional packages that it could not download, such as
 * programs for one system, and reports success.
 */
export const leftOut = (folder: string, { os, cpu }: System): string[] => {
  const lock = readFileSync(join(folder, 'package-lock.json'), { encoding: 'utf8', flag: 'a+' })
  const { packages } = parsedObject(lock) ?? {}
  return Object.entries(isObject(packages) ? packages : {}).flatMap(([path, entry]) => {
    const isMissing = isObject(entry) && entry.optional === true && fits(entry.os, os) && fits(entry.cpu, cpu)
    return isMissing && !existsSync(join(folder, path)) ? [path.replace(/^.*node_modules\//, '')] : []
  })
}

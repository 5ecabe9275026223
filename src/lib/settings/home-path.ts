import { homedir } from 'node:os'
import { resolve } from 'node:path'

/** Resolves a path; a leading `~` is the home folder. */
export const homePath = (path: string): string => resolve(path.replace(/^~(?=$|[/\\])/, () => homedir()))

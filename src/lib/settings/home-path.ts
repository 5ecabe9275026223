import { homedir } from 'node:os'
import { resolve } from 'node:path'

/** An absolute path; `~` at the beginning is the home folder. */
export const homePath = (path: string): string => resolve(path.replace(/^~(?=$|[/\\])/, () => homedir()))

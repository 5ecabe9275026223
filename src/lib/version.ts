import { readFileSync } from 'node:fs'

/** Version from package.json, which stands above both src and dist. */
export const version: string = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version

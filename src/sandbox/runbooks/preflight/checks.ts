import type { PreflightCheck } from '../../../model/runbooks/runbook-request.ts'

/** Makes a passed preflight check. */
export const ok = (name: string, found: string): PreflightCheck => ({
  name,
  state: 'ok',
  found,
  fix: null,
  field: null,
})

export const warned = (name: string, found: string, fix: string, field: string | null = null): PreflightCheck => ({
  name,
  state: 'warning',
  found,
  fix,
  field,
})

export const failed = (name: string, found: string, fix: string, field: string | null = null): PreflightCheck => ({
  name,
  state: 'failed',
  found,
  fix,
  field,
})

/** Lists names in a sentence: the first few, and the number of further ones. */
export const listed = (names: readonly string[], most = 20): string =>
  names.length <= most ? names.join(', ') : `${names.slice(0, most).join(', ')} and ${names.length - most} more`

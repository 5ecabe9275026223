/** Owner of shares: waiting owners take turns, and none may take the whole budget. */
export type ShareOwner = string | number

/** `request`: a body on its way, or an answer; it lasts as long as the client likes. `step`: everything else. */
export type ShareKind = 'request' | 'step'

export interface OwnedShare {
  readonly owner: ShareOwner
  readonly kind: ShareKind
  readonly bytes: number
}

/**
 * The queue that a share waits in. Requests and steps of one owner wait apart: requests at their limit must not block
 * steps.
 */
export const laneOf = ({ owner, kind }: OwnedShare): ShareOwner => (kind === 'request' ? `request ${owner}` : owner)

/** Counts what each owner has, and bounds it. */
export interface OwnerCaps {
  /** Whether more bytes would exceed the limit of the share's owner. The only share of an owner never does. */
  isReached(share: OwnedShare, bytes: number): boolean
  /** Counts bytes that a share takes, or returns (negative). */
  count(share: OwnedShare, bytes: number): void
}

/** Size up to which a share counts as small. */
export const smallShareBytes = 1024 * 1024

/**
 * Makes the limits of owners. A quarter of `most` is for requests, small ones not counted, so that bodies that a client
 * holds open never block its own runs.
 */
export const makeOwnerCaps = (most: number): OwnerCaps => {
  const all = new Map<ShareOwner, number>()
  const requests = new Map<ShareOwner, number>()
  const exceeds = (counts: Map<ShareOwner, number>, cap: number, { owner, bytes: held }: OwnedShare, bytes: number) => {
    const has = counts.get(owner) ?? 0
    return has !== held && has + bytes > cap
  }
  const add = (counts: Map<ShareOwner, number>, owner: ShareOwner, bytes: number) => {
    const has = (counts.get(owner) ?? 0) + bytes
    if (has > 0) counts.set(owner, has)
    else counts.delete(owner)
  }
  return {
    isReached: (share, bytes) =>
      exceeds(all, most, share, bytes) ||
      (share.kind === 'request' &&
        share.bytes + bytes > smallShareBytes &&
        exceeds(requests, Math.floor(most / 4), share, bytes)),
    count({ owner, kind }, bytes) {
      add(all, owner, bytes)
      if (kind === 'request') add(requests, owner, bytes)
    },
  }
}

type Token =
  | { kind: 'character'; value: string }
  | { kind: 'one' } // ?
  | { kind: 'some' } // *
  | { kind: 'any' } // **
  | { kind: 'folders' } // **/ : any number of whole folders, none included

const tokensOf = (pattern: string): Token[] => {
  const tokens: Token[] = []
  const characters = Array.from(pattern)
  for (let at = 0; at < characters.length; at += 1) {
    const value = characters[at]!
    if (value === '?') tokens.push({ kind: 'one' })
    else if (value !== '*') tokens.push({ kind: 'character', value })
    else if (characters[at + 1] !== '*') tokens.push({ kind: 'some' })
    else {
      const beginsSegment = at === 0 || characters[at - 1] === '/'
      while (characters[at + 1] === '*') at += 1
      if (beginsSegment && characters[at + 1] === '/') {
        tokens.push({ kind: 'folders' })
        at += 1
      } else tokens.push({ kind: 'any' })
    }
  }
  return tokens
}

/**
 * Compiles a glob: `?` one character, `*` any within a folder, `**` any at all. It follows all possibilities side by
 * side, so that the time is at most pattern times text, and no pattern can make it explode.
 */
export const globMatcher = (pattern: string): ((text: string) => boolean) => {
  const tokens = tokensOf(pattern)

  // A token that may match nothing also reaches the next one.
  const reach = (states: Uint8Array, from: number) => {
    for (let at = from; states[at] === 0; at += 1) {
      states[at] = 1
      const kind = tokens[at]?.kind
      if (kind !== 'some' && kind !== 'any' && kind !== 'folders') return
    }
  }

  return (text) => {
    let states = new Uint8Array(tokens.length + 1)
    reach(states, 0)
    for (const character of text) {
      const next = new Uint8Array(tokens.length + 1)
      for (let at = 0; at < tokens.length; at += 1) {
        if (states[at] === 0) continue
        const token = tokens[at]!
        const inside = character !== '/'
        if (token.kind === 'character' ? token.value === character : token.kind === 'one' && inside) reach(next, at + 1)
        else if (token.kind === 'any' || (token.kind === 'some' && inside)) reach(next, at)
        else if (token.kind === 'folders') {
          next[at] = 1
          if (!inside) reach(next, at + 1)
        }
      }
      states = next
    }
    return states[tokens.length] === 1
  }
}

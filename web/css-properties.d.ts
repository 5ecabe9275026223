import 'react'

declare module 'react' {
  interface CSSProperties {
    /** Custom properties, for classes such as `w-(--panel)`. */
    [property: `--${string}`]: string | number | undefined
  }
}

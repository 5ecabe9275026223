// `npm start`: installs and builds what is not up to date, then is the server. Arguments are passed on to `serve`.
import { join } from 'node:path'
import { become, build, install, root } from './prepare.mjs'

install()
build()
await become(join(root, 'dist/bin.js'), ['serve', ...process.argv.slice(2)])

import { difference, nativeDriver } from './script.js';

nativeDriver();
console.log(
  difference([
    'w m 8016',
    'w m ',
    'w s df0a0f00',
    'w m 16',
    'w s 610a1b5f2020',
    'w m 325f59df',
    'd s 540a 3',
    't s 5402 400 45 bf 8abb 031c7f150400010011130d00120f1716000000',
    'w m 320d621216',
    'r m 4096',
    'w m 0f202032df',
    'w m 01',
    'r m 4096',
    'r s 4096',
    'p',
    'i m 541b 0',
    'i s 541b 0',
  ]),
);

//#if modules
import cf from 'cloudfront';

//#end
// The first step of afterimage as a CloudFront Function (cloudfront-js-2.0, viewer request), made by
// `afterimage cloudfront-function` from the configuration. Do not edit it: change the configuration and make it anew.
//
// A request leaves with its canonical path and without a query, or is refused as the server would refuse it. Every rule has
// its counterpart in the crate `variant`, whose words are used here. 0, '' and null mean that something is not named; a value
// that does not parse is NaN.
//
// Several engines may read this, and they differ: in one, `$` also matches before a last line break, and `\s` is ASCII's. So no
// pattern is trusted to have matched to the end; `exactly` looks.
const crypto = require('crypto');

// The parameters: $beside that may stand beside a preset, then those that may be used unsigned, $open with them; the others need
// a signature or a preset.
const names = '$names'.split(' ');
const aliases = $aliases;
// Names that would change the geometry and are not understood.
const lacking = '$lacking'.split(' ');
//#if ladder
const ladder = $ladder;
const ratios = $ratios;
//#end
//#if public
const qualities = $qualities;
//#end
//#if presets
// Their names begin with a dot, so that none of them is a name that every object has.
const presets = $presets;
//#end
//#if hosts
// Which prefix a host has to itself; a key below a prefix is nothing that any other host has.
const hosts = $hosts;
const prefixes = $prefixes;
//#end

// Why a request is refused, by status: the reason and title of the problem document. 1 is a 403 too.
const kinds = {
  1: ['expired', 'The URL has expired'],
  400: ['bad-request', 'The URL cannot be understood'],
  403: ['forbidden', 'Not allowed'],
  404: ['not-found', 'No such picture'],
  405: ['method', 'Method not allowed'],
  414: ['uri-too-long', 'The URL is too long']
};

const max = Math.max;
const min = Math.min;
const floor = Math.floor;

// What a value that does not parse comes to.
const bad = NaN;

// Ends the work on a request, with the parameter at fault if it is one's.
const refuseIf = (wrong, kind, parameter) => {
  if (wrong) throw [kind, parameter];
};

const exactly = (pattern, text) => {
  const found = pattern.exec(text);
  return found && found[0] == text && found;
};

// A text of a table; what every object has is none of its texts.
const lookUp = (table, name) => typeof table[name] == 'string' && table[name];

const oneOf = words => text => words.split(' ').includes(text) ? text : bad;

// Decodes `%XX`, which must come to UTF-8.
const decode = text => {
  try {
    return decodeURIComponent(text);
  } catch (broken) {
    refuseIf(1, 400);
  }
};

const formDecode = text => decode(text.replace(/\+/g, ' '));

